"""Runs speed benchmarks. By default: start-up of commands, a training step compared with fast.ai's loop, reading,
feature extraction compared with the forward pass, search, a step of a language model compared with the published
recipe, and decoding if a run and a file are given. Only with --only: `models`, a step of each model; `training_peers`,
comparison with JoeyNMT and OpenNMT-py; `loading`, from corpus files to batches; `vocabulary` and `scaling`, growing
vocabularies, batches and lengths; `processes`, training in several processes; `sweep`, compared with plain processes;
`kills` and `killed_sweep`, which kill and resume.

    python -m benchmarks [--only NAME ...] [--json FILE] [--quick] [--run DIR --source FILE] [--joey PYTHON]
        [--opennmt PYTHON]

Use an idle machine: other processes affect both ratios and seconds. The load of the machine is printed and stored in
the JSON file.
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

BUSY = 0.5  # load of the last minute above which timings are unreliable


def _start_up(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.start_up import measure_start_up

    return measure_start_up(2 if options.quick else 5)


def _training_step(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.training_step import measure_forcing

    return measure_forcing(2 if options.quick else 20)


def _models(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.models import MODELS, measure_models

    return measure_models(MODELS[:1], 1) if options.quick else measure_models(MODELS, 8)


def _training_peers(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.training_peers import measure_training_peers

    pythons = {"JoeyNMT": options.joey, "OpenNMT-py": options.opennmt}
    return measure_training_peers({name: path for name, path in pythons.items() if path}, 2 if options.quick else 12)


def _reading(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.reading import PAIRS, QUICK_PAIRS, measure_readings

    return measure_readings(QUICK_PAIRS if options.quick else PAIRS)


def _loading(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.loading import measure_loading

    return measure_loading(2_000 if options.quick else 100_000)


def _features(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.features import measure_features

    return [measure_features(*((64, 1) if options.quick else (512, 5)))]


def _search(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.search import measure_search

    return measure_search(5_000 if options.quick else 200_000)


def _decoding(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.decoding import measure_decoding

    return measure_decoding(options.run, options.source, options.joey, rounds=1 if options.quick else 5)


def _kills(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.kills import measure_kills

    return measure_kills(*((3, 2) if options.quick else (60, 40)))


def _language_model(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.language_model import SIZES, measure

    return [measure(name, size, 2 if options.quick else 7) for name, size in SIZES.items()]


def _vocabulary(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.vocabulary import SIZES, measure_vocabulary

    return measure_vocabulary((5_000,), 1) if options.quick else measure_vocabulary(SIZES, 5)


def _scaling(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.scaling import CURVES, QUICK, measure_scaling

    return measure_scaling(QUICK, 1) if options.quick else measure_scaling(CURVES, 3)


def _processes(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.processes import measure_processes

    cores = os.cpu_count() or 1
    return measure_processes(300, min(cores, 2), 1) if options.quick else measure_processes(3000, cores, 3)


def _sweep(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.sweep import measure_sweep

    return [measure_sweep(2, 2, 1, 1) if options.quick else measure_sweep(jobs=16, at_a_time=2, rounds=3, epochs=2)]


def _killed_sweep(options: argparse.Namespace) -> Sequence[Row]:
    from benchmarks.killed_sweep import measure_killed_sweep

    return [measure_killed_sweep(2, 2, 2, 2) if options.quick else measure_killed_sweep(6, 2, kills=20, epochs=20)]


# Each function imports its modules: spawned processes import this module, so its imports would count.
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
ONLY_ON_REQUEST = (
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
"""Measured only with --only, or for decoding with --run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints tables, and writes the JSON file if one is given."""
    arguments = parser()
    options = arguments.parse_args(argv)
    if (options.run is None) != (options.source is None) or (options.run is None and "decoding" in options.only):
        arguments.error("--run and --source must be given together: the run translates the file.")
    from benchmarks.machine import code, machine

    measured = {**code(), "command": shown_command(options), "machine": machine()}
    _warn(measured["machine"])
    for name in chosen(options):
        try:
            measured[name] = MEASURES[name](options)
        except UserError as error:
            arguments.error(str(error))
        Console().print(_table(name, measured[name]))
    if options.json:
        write_text(options.json, json.dumps(_rounded(measured), indent=2, ensure_ascii=False) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    arguments = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--only", nargs="+", choices=MEASURES, default=[], metavar="NAME", help=", ".join(MEASURES))
    arguments.add_argument(
        "--json", type=Path, metavar="FILE", help="output file; results/benchmarks/NAME.json for RESULTS.md"
    )
    arguments.add_argument("--quick", action="store_true", help="a few steps, as a test; not for results")
    arguments.add_argument("--run", type=Path, metavar="DIR", help="run directory of the model for decoding")
    arguments.add_argument("--source", type=Path, metavar="FILE", help="file with one sentence per line")
    arguments.add_argument("--joey", type=Path, metavar="PYTHON", help="Python of an environment with JoeyNMT 2.3")
    arguments.add_argument(
        "--opennmt", type=Path, metavar="PYTHON", help="Python of an environment with OpenNMT-py 3.5"
    )
    return arguments


def chosen(options: argparse.Namespace) -> list[str]:
    """Names of the benchmarks to run."""
    if options.only:
        return [name for name in MEASURES if name in options.only]
    return [
        name for name in MEASURES if name not in ONLY_ON_REQUEST or (name == "decoding" and options.run is not None)
    ]


def shown_command(options: argparse.Namespace) -> str:
    """The command without folders of this machine."""
    command = ["python", "-m", "benchmarks"]
    if options.only:
        command += ["--only", *options.only]
    for name in ("json", "run", "source", "joey", "opennmt"):
        path = getattr(options, name)
        if path is not None:
            command += [f"--{name}", path.name if path.is_absolute() else path.as_posix()]
    return shlex.join([*command, "--quick"] if options.quick else command)


def _warn(machine_facts: dict[str, Any]) -> None:
    if machine_facts["load"] > BUSY:
        print(
            f"The machine is busy: load {machine_facts['load']} on {os.cpu_count()} cores. The timings are unreliable.",
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
    """The content with fractions rounded to four significant digits."""
    if isinstance(content, float):
        return float(f"{content:.4g}")
    if isinstance(content, dict):
        return {name: _rounded(value) for name, value in content.items()}
    return [_rounded(item) for item in content] if isinstance(content, list) else content


if __name__ == "__main__":
    sys.exit(main())
