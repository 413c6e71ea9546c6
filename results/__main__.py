"""Keeps finished runs as JSON files, and renders RESULTS.md and docs/results from them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from results.intake import file_of, read_run
from results.page import render
from results.record import Record
from results.sweeps import SweepRecord, is_sweep, read_sweep
from results.sweeps import file_of as file_of_sweep
from seqvise.cli.support.exit_codes import exit_code
from seqvise.errors import UserError

RESULTS = Path(__file__).parent


def main(argv: Sequence[str] | None = None, results: Path = RESULTS) -> int:
    """Runs the command and returns its exit code. results: the folder of the JSON files, next to RESULTS.md."""
    return exit_code(lambda: _command(_parser().parse_args(argv), results))


def add(runs: Sequence[Path], results: Path, note: str | None, name: str | None, replace: bool) -> None:
    """Stores each run as a JSON file.

    Raises:
        UserError: with all errors of all runs; no run is stored.
    """
    records = _read_all(runs, note)
    files = [_file(record, results, name) for record in records]
    messages = [
        f"Two of the runs would both be {file.name}; add them separately with --name." for file in _duplicates(files)
    ]
    if not replace:
        messages += [
            f"{file} exists; --replace overwrites it, --name NAME keeps both." for file in files if file.exists()
        ]
    if messages:
        raise UserError(*messages)
    for record, file in zip(records, files, strict=True):
        record.save(file)
        _report(record, file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m results", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("render", help="write RESULTS.md, docs/results and the pictures; also without a command")
    add_command = commands.add_parser("add", help="store finished runs and sweeps as JSON files in results/")
    add_command.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN_DIRECTORY", help="directory of a run or of a sweep"
    )
    add_command.add_argument("--note", help="remark, shown below the table")
    add_command.add_argument("--name", help="name of the file, without .json")
    add_command.add_argument("--replace", action="store_true", help="overwrite an existing result")
    return parser


def _command(arguments: argparse.Namespace, results: Path) -> None:
    if arguments.command == "add":
        add(arguments.runs, results, arguments.note, arguments.name, arguments.replace)
    else:
        print(*render(results, results.parent), sep="\n")


def _file(record: Record | SweepRecord, results: Path, name: str | None) -> Path:
    return file_of(record, results, name) if isinstance(record, Record) else file_of_sweep(record, results, name)


def _read_all(runs: Sequence[Path], note: str | None) -> list[Record | SweepRecord]:
    records: list[Record | SweepRecord] = []
    messages: list[str] = []
    for path in runs:
        try:
            records.append(read_sweep(path, note) if is_sweep(path) else read_run(path, note))
        except UserError as error:
            messages += error.messages
    if messages:
        raise UserError(*messages)
    return records


def _duplicates(files: Sequence[Path]) -> list[Path]:
    return sorted({file for file in files if files.count(file) > 1})


def _report(record: Record | SweepRecord, file: Path) -> None:
    print(file)
    if record.dirty:
        print(f"{file.name}: the run's working tree had uncommitted changes; this is recorded.", file=sys.stderr)
    if record.commit is None:
        print(f"{file.name}: the run was outside a git repository; its commit is unknown.", file=sys.stderr)
    if isinstance(record, Record) and not record.curves:
        print(f"{file.name}: the run has no TensorBoard events, so no curves (logger=tensorboard).", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
