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
    """Keeps each run as a JSON file.

    Raises:
        UserError: with all that is wrong with any of the runs; none is kept then.
    """
    records = _read_all(runs, note)
    files = [_file(record, results, name) for record in records]
    problems = [
        f"Two of the runs would both be {file.name}; add them one by one with --name." for file in _twice(files)
    ]
    if not replace:
        problems += [
            f"{file} exists; --replace writes over it, --name NAME keeps both." for file in files if file.exists()
        ]
    if problems:
        raise UserError(*problems)
    for record, file in zip(records, files, strict=True):
        record.save(file)
        _tell(record, file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m results", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("render", help="write RESULTS.md, docs/results and the pictures; also without a command")
    adding = commands.add_parser("add", help="keep finished runs and sweeps as JSON files of results/")
    adding.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIRECTORY", help="of a run, or of a whole sweep")
    adding.add_argument("--note", help="a remark, shown below the table")
    adding.add_argument("--name", help="another name for the file, without .json")
    adding.add_argument("--replace", action="store_true", help="write over a result of that name")
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
    problems: list[str] = []
    for path in runs:
        try:
            records.append(read_sweep(path, note) if is_sweep(path) else read_run(path, note))
        except UserError as error:
            problems += error.messages
    if problems:
        raise UserError(*problems)
    return records


def _twice(files: Sequence[Path]) -> list[Path]:
    return sorted({file for file in files if files.count(file) > 1})


def _tell(record: Record | SweepRecord, file: Path) -> None:
    print(file)
    if record.dirty:
        print(f"{file.name}: the run's tree had changes that are in no commit; recorded so.", file=sys.stderr)
    if record.commit is None:
        print(f"{file.name}: the run was made outside a git repository; its commit is unknown.", file=sys.stderr)
    if isinstance(record, Record) and not record.curves:
        print(f"{file.name}: the run has no TensorBoard events, so no curves (logger=tensorboard).", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
