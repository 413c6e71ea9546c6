"""Files that only grow, and a record of how much of them holds, so that long work goes on where it was broken off."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from seqvise.files import write_text

NAME = "journal.json"


class StaleJournalError(Exception):
    """What a journal says is not what is there: the work begins again."""


class Journal:
    """Opens files that are written at their end alone.

    ``commit`` brings all of them to the disk and records how long they are, together with what the caller says of the
    work. Opened again after a crash, a file is cut back to its length at the last commit.

    Args:
        folder: holds the files and the record, ``journal.json``.

    Attributes:
        state: what was said at the last commit; empty before the first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._sizes, self.state = _recorded(folder / NAME)
        self._files: dict[str, BinaryIO] = {}

    def path(self, name: str) -> Path:
        """Where the file of a name below the folder lies."""
        return self._folder / name

    def open(self, name: str) -> BinaryIO:
        """A file for writing, at its end.

        Raises:
            StaleJournalError: less of it is there than was committed.
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
        """All that was written holds from now on. state: plain values."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        self._sizes = {name: file.tell() for name, file in self._files.items()}
        self.state = state
        write_text(self._folder / NAME, json.dumps({"sizes": self._sizes, "state": state}))

    def close(self) -> None:
        """Ends writing; the files can be read."""
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
