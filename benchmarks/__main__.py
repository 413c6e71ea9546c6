"""Measures speed: commands, a training step against the lesson's own loop, reading, features of images against the
bare forward pass, search, a step of a language model against the published recipe; and decoding, with a run and a
file. Asked for by name: `models`, a step of each; `training_peers`, one against JoeyNMT's and OpenNMT-py's;
`loading`, a corpus from its files to batches; `vocabulary` and `scaling`, steps as it, batches and sentences grow;
`processes`, training in several; `sweep` against plain processes; `kills` and `killed_sweep`, which kill and start
again.

    python -m benchmarks [--only NAME ...] [--json FILE] [--quick] [--run DIR --source FILE] [--joey PYTHON]
        [--opennmt PYTHON]

It wants a quiet machine: other processes change ratios as well as seconds. It prints the load it has found, and keeps
it in the JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.sections import SECTIONS, Row
from seqvise.errors import UserError
from seqvise.files import write_text

BUSY = 0.5  # load of the last minute from which timings are doubtful


def _start_up(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.start_up import measure_start_up

    return measure_start_up(2 if given.quick else 5)


def _training_step(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.training_step import measure_forcing

    return measure_forcing(2 if given.quick else 20)


def _models(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.models import MODELS, measure_models

    return measure_models(MODELS[:1], 1) if given.quick else measure_models(MODELS, 8)


def _training_peers(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.training_peers import measure_training_peers

    pythons = {"JoeyNMT": given.joey, "OpenNMT-py": given.opennmt}
    return measure_training_peers({name: path for name, path in pythons.items() if path}, 2 if given.quick else 12)


def _reading(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.reading import PAIRS, QUICK_PAIRS, measure_readings

    return measure_readings(QUICK_PAIRS if given.quick else PAIRS)


def _loading(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.loading import measure_loading

    return measure_loading(2_000 if given.quick else 100_000)


def _features(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.features import measure_features

    return [measure_features(*((64, 1) if given.quick else (512, 5)))]


def _search(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.search import measure_search

    return measure_search(5_000 if given.quick else 200_000)


def _decoding(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.decoding import measure_decoding

    return measure_decoding(given.run, given.source, given.joey, rounds=1 if given.quick else 5)


def _kills(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.kills import measure_kills

    return measure_kills(*((3, 2) if given.quick else (60, 40)))


def _language_model(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.language_model import SIZES, measure

    return [measure(name, size, 2 if given.quick else 7) for name, size in SIZES.items()]


def _vocabulary(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.vocabulary import SIZES, measure_vocabulary

    return measure_vocabulary((5_000,), 1) if given.quick else measure_vocabulary(SIZES, 5)


def _scaling(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.scaling import CURVES, QUICK, measure_scaling

    return measure_scaling(QUICK, 1) if given.quick else measure_scaling(CURVES, 3)


def _processes(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.processes import measure_processes

    cores = os.cpu_count() or 1
    return measure_processes(300, min(cores, 2), 1) if given.quick else measure_processes(3000, cores, 3)


def _sweep(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.sweep import measure_sweep

    return [measure_sweep(2, 2, 1, 1) if given.quick else measure_sweep(jobs=16, at_a_time=2, rounds=3, epochs=2)]


def _killed_sweep(given: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.killed_sweep import measure_killed_sweep

    return [measure_killed_sweep(2, 2, 2, 2) if given.quick else measure_killed_sweep(6, 2, kills=20, epochs=20)]


# Each imports what it measures with: processes that are measured alone begin with this module and its imports.
MEASURES: dict[str, Callable[[argparse.Namespace], Sequence[Row]]] = {
    "start_up": _start_up,
    "training_step": _training_step,
    "models": _models,
    "training_peers": _training_peers,
    "reading": _reading,
    "loading": _loading,
    "features": _features,
    "search": _search,
    "language_model": _language_model,
    "vocabulary": _vocabulary,
    "scaling": _scaling,
    "processes": _processes,
    "decoding": _decoding,
    "sweep": _sweep,
    "kills": _kills,
    "killed_sweep": _killed_sweep,
}
BY_NAME = (
    "models",
    "training_peers",
    "loading",
    "vocabulary",
    "scaling",
    "processes",
    "decoding",
    "sweep",
    "kills",
    "killed_sweep",
)
"""Measured only where a run is given, or where they are asked for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints tables, and writes the JSON file where one is asked for."""
    words = parser()
    given = words.parse_args(argv)
    if (given.run is None) != (given.source is None) or (given.run is None and "decoding" in given.only):
        words.error("--run and --source go together: the run translates the file.")
    from benchmarks.machine import code, machine

    measured = {**code(), "command": shown_command(given), "machine": machine()}
    _warn(measured["machine"])
    for name in chosen(given):
        try:
            measured[name] = MEASURES[name](given)
        except UserError as error:
            words.error(str(error))
        Console().print(_table(name, measured[name]))
    if given.json:
        write_text(given.json, json.dumps(_rounded(measured), indent=2, ensure_ascii=False) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """The words that the command takes."""
    words = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--only", nargs="+", choices=MEASURES, default=[], metavar="NAME", help=", ".join(MEASURES))
    words.add_argument("--json", type=Path, metavar="FILE", help="as results/benchmarks/NAME.json for RESULTS.md")
    words.add_argument("--quick", action="store_true", help="a few steps, to see that it works; not for a result")
    words.add_argument("--run", type=Path, metavar="DIR", help="of a model, which decodes")
    words.add_argument("--source", type=Path, metavar="FILE", help="a sentence a line")
    words.add_argument("--joey", type=Path, metavar="PYTHON", help="of an environment with JoeyNMT 2.3")
    words.add_argument("--opennmt", type=Path, metavar="PYTHON", help="of an environment with OpenNMT-py 3.5")
    return words


def chosen(given: argparse.Namespace) -> list[str]:
    """What is measured."""
    if given.only:
        return [name for name in MEASURES if name in given.only]
    return [name for name in MEASURES if name not in BY_NAME or (name == "decoding" and given.run is not None)]


def shown_command(given: argparse.Namespace) -> str:
    """The command without this machine's folders."""
    words = ["python", "-m", "benchmarks"]
    if given.only:
        words += ["--only", *given.only]
    for name in ("json", "run", "source", "joey", "opennmt"):
        path = getattr(given, name)
        if path is not None:
            words += [f"--{name}", path.name if path.is_absolute() else path.as_posix()]
    return shlex.join([*words, "--quick"] if given.quick else words)


def _warn(found: dict[str, Any]) -> None:
    if found["load"] > BUSY:
        print(
            f"The machine is busy: load {found['load']} on {os.cpu_count()} cores. The numbers will be off.",
            file=sys.stderr,
        )


def _table(name: str, rows: Sequence[Row]) -> Table:
    section = SECTIONS[name]
    table = Table(title=section.title(rows), title_justify="left")
    for head in section.heads(rows):
        table.add_column(head, justify="left" if head in section.words else "right")
    for cells in section.cells(rows):
        table.add_row(*cells)
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
