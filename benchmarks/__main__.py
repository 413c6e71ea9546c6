"""Measures speed: a training step against the lesson's own loop, how long a command takes to answer, features of images
against the bare forward pass, and search.

    python -m benchmarks [--json FILE] [--quick] [--run DIR --source FILE [--joey PYTHON]]

With a run and a file, decoding too: see ``python -m benchmarks.decoding``, which measures it alone.

It wants a quiet machine: other processes change ratios as well as seconds. It prints the load it has found, and keeps
it in the JSON. Each forcing ratio is measured in a process of its own, so that peak memory is its own, too.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.decoding import add_words, measure_decoding
from benchmarks.features import IMAGES, QUICK_IMAGES, measure_features
from benchmarks.features import QUICK_ROUNDS as QUICK_FEATURE_ROUNDS
from benchmarks.features import ROUNDS as FEATURE_ROUNDS
from benchmarks.machine import code, machine
from benchmarks.search import measure_search
from benchmarks.start_up import measure_start_up
from benchmarks.training_step import measure
from seqvise.files import write_text

FORCING = (1.0, 0.5, 0.0)
STEPS, QUICK_STEPS = 20, 2
STARTS, QUICK_STARTS = 5, 2
ROUNDS, QUICK_ROUNDS = 5, 1
VECTORS, QUICK_VECTORS = 200_000, 5_000
BUSY = 0.5  # load of the last minute from which timings are doubtful
STEP_COLUMNS = {
    "forcing": ("forcing", "g"),
    "seconds": ("s a step", ".3f"),
    "lesson_seconds": ("lesson's loop", ".3f"),
    "ratio": ("times faster", ".2f"),
    "tokens_per_second": ("tokens/s", ",.0f"),
    "share_of_products": ("share of products", ".0%"),
    "peak_mib": ("peak MiB", ",.0f"),
}
SEARCH_COLUMNS = {
    "kind": ("index", "s"),
    "build_seconds": ("s to build", ",.1f"),
    "recall": ("recall@10", ".3f"),
    "batch_rate": ("queries/s together", ",.0f"),
    "batch_ratio": ("times exact", ".1f"),
    "single_rate": ("queries/s one by one", ",.0f"),
    "single_ratio": ("times exact", ".1f"),
    "memory_ratio": ("memory / vectors", ".2f"),
}
FEATURE_COLUMNS = {
    "backbone": ("network", "s"),
    "extraction_rate": ("images/s", ".1f"),
    "forward_rate": ("forward pass", ".1f"),
    "forward_ratio": ("share of it", ".0%"),
    "fused_rate": ("fused", ".1f"),
    "fused_ratio": ("share of it", ".0%"),
}
DECODING_COLUMNS = {
    "beam": ("beam", "d"),
    "sentences_per_second": ("sentences/s", ",.0f"),
    "joey_sentences_per_second": ("JoeyNMT", ",.0f"),
    "ratio": ("times faster", ".2f"),
    "same": ("same words", ".0%"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints tables, and writes the JSON file where one is asked for."""
    words = parser()
    arguments = words.parse_args(argv)
    if (arguments.run is None) != (arguments.source is None):
        words.error("--run and --source go together: the run translates the file.")
    console = Console()
    measured = {**code(), "command": shown_command(arguments), "machine": machine()}
    _warn(measured["machine"])
    steps, starts = (QUICK_STEPS, QUICK_STARTS) if arguments.quick else (STEPS, STARTS)
    measured["start_up"] = measure_start_up(starts)
    console.print(_start_table(measured["start_up"]))
    measured["training_step"] = [_measure_alone(forcing, steps) for forcing in FORCING]
    console.print(_step_table(measured["training_step"]))
    images, turns = (QUICK_IMAGES, QUICK_FEATURE_ROUNDS) if arguments.quick else (IMAGES, FEATURE_ROUNDS)
    measured["features"] = [measure_features(images, turns)]
    console.print(_feature_table(measured["features"]))
    measured["search"] = measure_search(QUICK_VECTORS if arguments.quick else VECTORS)
    console.print(_search_table(measured["search"]))
    if arguments.run:
        rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
        measured["decoding"] = measure_decoding(arguments.run, arguments.source, arguments.joey, rounds)
        console.print(_decoding_table(measured["decoding"]))
    if arguments.json:
        write_text(arguments.json, json.dumps(_rounded(measured), indent=2, ensure_ascii=False) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """The words that the command takes."""
    words = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--json", type=Path, metavar="FILE", help="as results/benchmarks/NAME.json for RESULTS.md")
    words.add_argument("--quick", action="store_true", help="a few steps, to see that it works; not for a result")
    add_words(words)
    return words


def shown_command(arguments: argparse.Namespace) -> str:
    """The command without this machine's folders."""
    words = ["python", "-m", "benchmarks"]
    for name in ("json", "run", "source", "joey"):
        path = getattr(arguments, name)
        if path is not None:
            words += [f"--{name}", path.name if path.is_absolute() else path.as_posix()]
    return shlex.join([*words, "--quick"] if arguments.quick else words)


def _measure_alone(forcing: float, steps: int) -> dict[str, float]:
    # Peak memory of a process only grows, and what a fork inherits would count.
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, forcing, steps).result()


def _warn(found: dict[str, Any]) -> None:
    if found["load"] > BUSY:
        print(
            f"The machine is busy: load {found['load']} on {os.cpu_count()} cores. The numbers will be off.",
            file=sys.stderr,
        )


def _step_table(rows: list[dict[str, float]]) -> Table:
    table = Table(title="One training step, attention model, lesson's sizes", title_justify="left")
    for head, _ in STEP_COLUMNS.values():
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*(format(row[name], text) for name, (_, text) in STEP_COLUMNS.items()))
    return table


def _feature_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"Features of {rows[0]['images']:,} images from the disk", title_justify="left")
    for head, _ in FEATURE_COLUMNS.values():
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*(format(row[name], text) for name, (_, text) in FEATURE_COLUMNS.items()))
    return table


def _search_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"Search among {rows[0]['vectors']:,} vectors of {rows[0]['dim']}", title_justify="left")
    for head, _ in SEARCH_COLUMNS.values():
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*(format(row[name], text) for name, (_, text) in SEARCH_COLUMNS.items()))
    return table


def _decoding_table(rows: list[dict[str, float]]) -> Table:
    columns = {name: column for name, column in DECODING_COLUMNS.items() if name in rows[0]}
    table = Table(title=f"Decoding {rows[0]['sentences']:,.0f} sentences", title_justify="left")
    for head, _ in columns.values():
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*(format(row[name], text) for name, (_, text) in columns.items()))
    return table


def _start_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Answering", title_justify="left")
    table.add_column("command")
    table.add_column("seconds", justify="right")
    for row in rows:
        table.add_row(row["command"], f"{row['seconds']:.2f}")
    return table


def _rounded(content: Any) -> Any:
    """The same content, its fractions with four significant digits."""
    if isinstance(content, float):
        return float(f"{content:.4g}")
    if isinstance(content, dict):
        return {name: _rounded(value) for name, value in content.items()}
    return [_rounded(item) for item in content] if isinstance(content, list) else content


if __name__ == "__main__":
    sys.exit(main())
