"""Other toolkits, each in a process of its own with the Python of its environment."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


class Peer:
    """A process that answers a number with a JSON object, and waits while others are measured.

    Args:
        process: reads a number a line, and writes an object a line.
        name: the toolkit's.
    """

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        self.process, self.name = process, name

    def ask(self, number: int) -> dict[str, Any]:
        """What it answers.

        Raises:
            RuntimeError: the process has ended; its own words stand on standard error.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(number, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}'s process has ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def peer(name: str, python: Path, script: Path, content: Mapping[str, Any]) -> Iterator[Peer]:
    """A toolkit that was given what is to be worked on, ended with the block.

    Args:
        name: the toolkit's.
        python: of an environment that has it.
        script: reads the content from the file that it is given, and needs nothing else of ours.
        content: for ``torch.save``.
    """
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.pt"
        torch.save({**content, "threads": torch.get_num_threads()}, given)
        words = [str(python), str(script), str(given)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield Peer(process, name)
            assert process.stdin is not None
            process.stdin.close()
