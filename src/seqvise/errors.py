"""The one exception that stands for a mistake a person can mend."""

from __future__ import annotations

import traceback
from pathlib import Path

LOG = "train.log"


class RunFailedError(RuntimeError):
    """One sentence about a run that stopped; its traceback is in the run's ``train.log``."""


def kept(error: Exception, folder: Path) -> RunFailedError:
    """Adds the traceback to the run's log, and gives the sentence to show instead.

    A traceback that cannot be written there, as on a full disk, goes to standard error.
    """
    path = folder / LOG
    try:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(traceback.format_exception(error))
    except OSError as fault:
        traceback.print_exception(error)
        return RunFailedError(f"{sentence(error)} {path} cannot be written: {fault.strerror or fault}.")
    return RunFailedError(f"{sentence(error)} The traceback is in {path}.")


def sentence(error: Exception) -> str:
    """What an error says, in one line; with its type where it is not one of our own."""
    ours = type(error).__module__.partition(".")[0] == "seqvise"
    told = " ".join(str(error).split())
    if not ours:
        told = f"{type(error).__name__}: {told}" if told else type(error).__name__
    return told if told.endswith(".") else f"{told}."


class UserError(Exception):
    """A mistake in the input, told in sentences that say what to change.

    A command that meets one prints each problem on a line of standard error and exits with code 2.

    Args:
        problems: one sentence each; all that could be found at once.
    """

    def __init__(self, *problems: str) -> None:
        if not problems:
            raise ValueError("A UserError needs at least one problem.")
        super().__init__("\n".join(problems))
        self.messages = problems
