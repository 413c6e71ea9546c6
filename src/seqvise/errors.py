"""``UserError``, for mistakes that the user can correct, and the error of a failed run."""

from __future__ import annotations

import traceback
from pathlib import Path

LOG = "train.log"


class RunFailedError(RuntimeError):
    """One-sentence message about a failed run; the traceback is in the run's ``train.log``."""


def log_failure(error: Exception, folder: Path) -> RunFailedError:
    """Appends the traceback to the run's log and returns the error to show instead.

    If the log cannot be written (for example, the disk is full), the traceback goes to standard error.
    """
    path = folder / LOG
    try:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(traceback.format_exception(error))
    except OSError as write_error:
        traceback.print_exception(error)
        return RunFailedError(f"{sentence(error)} {path} cannot be written: {write_error.strerror or write_error}.")
    return RunFailedError(f"{sentence(error)} The traceback is in {path}.")


def sentence(error: Exception) -> str:
    """An error's message on one line, with the error's type unless it is defined in seqvise."""
    is_ours = type(error).__module__.partition(".")[0] == "seqvise"
    message = " ".join(str(error).split())
    if not is_ours:
        message = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return message if message.endswith(".") else f"{message}."


class UserError(Exception):
    """A mistake in the user's input, described in sentences that name the key to change.

    A command prints each message on its own line of standard error and exits with code 2.

    Args:
        messages: one sentence each; all mistakes found, not only the first.
    """

    def __init__(self, *messages: str) -> None:
        if not messages:
            raise ValueError("A UserError needs at least one message.")
        super().__init__("\n".join(messages))
        self.messages = messages
