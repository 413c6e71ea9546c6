"""Append-only files with a record of their committed lengths, so that interrupted work can resume."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from seqvise.files import write_text

NAME = "journal.json"


class StaleJournalError(Exception):
    """A journal does not match its files or inputs; the work starts again."""


class Journal:
    """Opens append-only files.

    ``commit`` flushes all of them to the disk and records their lengths together with the caller's state. When a file
    is opened again after a crash, it is truncated to its length at the last commit.

    Args:
        folder: contains the files and the record, ``journal.json``.

    Attributes:
        state: the state at the last commit; empty before the first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._sizes, self.state = _recorded(folder / NAME)
        self._files: dict[str, BinaryIO] = {}

    def path(self, name: str) -> Path:
        """The path of a file in the folder."""
        return self._folder / name

    def open(self, name: str) -> BinaryIO:
        """Opens a file for appending.

        Raises:
            StaleJournalError: the file is shorter than at the last commit.
        """
        path, size = self.path(name), self._sizes.get(name, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
        self._files[name] = file
        if file.seek(0, os.SEEK_END) < size:
            raise StaleJournalError(f"{path} is shorter than {size} bytes")
        file.truncate(size)
        file.seek(size)
        return file

    def commit(self, state: dict[str, Any]) -> None:
        """Makes everything written so far durable. state: plain values for a JSON file."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        self._sizes = {name: file.tell() for name, file in self._files.items()}
        self.state = state
        write_text(self._folder / NAME, json.dumps({"sizes": self._sizes, "state": state}))

    def close(self) -> None:
        """Closes all files; they can be read from now on."""
        for file in self._files.values():
            file.close()


def _recorded(path: Path) -> tuple[dict[str, int], dict[str, Any]]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return dict(record["sizes"]), dict(record["state"])
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StaleJournalError(f"{path}: {error}") from None
