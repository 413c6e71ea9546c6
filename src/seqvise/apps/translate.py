"""``seqvise translate``: one line out for each line in."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO

from seqvise.apps.arguments import parse, usage
from seqvise.apps.exits import exit_code
from seqvise.errors import UserError
from seqvise.files import atomic_write

log = logging.getLogger(__name__)
STREAM = "-"


@dataclass(frozen=True)
class TranslateOptions:
    """What `seqvise translate` is told."""

    run: Annotated[Path, "the run directory whose best checkpoint translates"]
    input: Annotated[str, "a file of one sentence a line, or - for standard input"] = STREAM
    output: Annotated[str, "a file to write, or - for standard output"] = STREAM
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    batch: Annotated[int, "sentences translated at once"] = 64


def main(argv: Sequence[str] | None = None) -> int:
    """Translates as the words say and gives the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if any(item in ("-h", "--help") for item in words):
        print(usage("translate", TranslateOptions))
        return 0
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_code(lambda: translate(parse(words, TranslateOptions)))


def translate(options: TranslateOptions) -> None:
    """Translates the input line by line: order and empty lines are kept.

    Raises:
        UserError: a wrong option, a missing file or run, an output that cannot be written, a line that is not UTF-8.
    """
    if options.batch < 1:
        raise UserError(f"batch is {options.batch}, but at least one sentence must be translated at once.")
    with _reading(options.input) as source, _writing(options.output) as target:
        from seqvise.apps.hydra_app import find_own_modules
        from seqvise.runs.translator import load_run

        find_own_modules()

        translator = load_run(options.run, options.device, options.batch)
        # A person at a terminal wants an answer to each line, not to each thousand.
        chunk = 1 if source.isatty() else 16 * options.batch
        lines = _lines(source, "standard input" if options.input == STREAM else options.input)
        while texts := list(islice(lines, chunk)):
            for translation in translator.translate(texts):
                target.write(f"{translation.text}\n".encode())
            target.flush()


def _lines(source: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(source, 1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}, line {number}: not UTF-8 text ({error.reason}); convert the file first."
            ) from None


@contextmanager
def _reading(name: str) -> Iterator[BinaryIO]:
    if name == STREAM:
        yield sys.stdin.buffer
        return
    with _opened(Path(name)) as file:
        yield file


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"input={path} cannot be read: {error.strerror}.") from None


@contextmanager
def _writing(name: str) -> Iterator[BinaryIO]:
    """Standard output, or a file that is there, whole, only when the last line is written."""
    if name == STREAM:
        yield sys.stdout.buffer
        return
    path = Path(name)
    if path.is_dir():
        raise UserError(f"output={name} is a folder: give the name of a file.")
    try:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            yield file
    except OSError as error:
        raise UserError(f"output={name} cannot be written: {error.strerror}.") from None
