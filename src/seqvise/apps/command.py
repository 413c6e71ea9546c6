"""A command whose words are ``key=value``, with nothing of Hydra."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from seqvise.apps.arguments import parse, usage
from seqvise.apps.exits import exit_code
from seqvise.machine import keep_memory
from seqvise.plain_text import PlainFormatter

OptionsT = TypeVar("OptionsT")


def words_command(
    name: str,
    options: type[OptionsT],
    action: Callable[[OptionsT], Any],
    argv: Sequence[str] | None,
    level: int = logging.INFO,
) -> int:
    """Reads the words, or shows what they can be, calls ``action`` with them and gives the exit code.

    Args:
        name: the command's name.
        options: the dataclass that the words fill in.
        action: what the command does.
        argv: the command's words; null: those of the process.
        level: the least of what is logged to standard error.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if any(word in ("-h", "--help") for word in words):
        print(usage(name, options))
        return 0

    def command() -> None:
        keep_memory()
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(PlainFormatter())
        logging.basicConfig(level=level, handlers=[handler])
        chosen = parse(words, options)
        if getattr(chosen, "trust", False):
            find_own_modules()
        action(chosen)

    return exit_code(command)


def find_own_modules() -> None:
    """Lets the config name classes of your own modules, in the folder where the command was started."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)
