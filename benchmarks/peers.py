"""Runs other toolkits, each in a separate process with the Python of its environment."""

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
        process: reads one number per line, and writes one object per line.
        name: name of the toolkit.
    """

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        self.process, self.name = process, name

    def call(self, number: int) -> dict[str, Any]:
        """Sends a number and returns the answer.

        Raises:
            RuntimeError: the process has ended; its error message is on standard error.
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
    """Starts a toolkit's script with its input; it ends with the block.

    Args:
        name: name of the toolkit.
        python: the Python of its environment.
        script: reads the content from the file in its first argument; does not need seqvise.
        content: saved with ``torch.save``.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "content.pt"
        torch.save({**content, "threads": torch.get_num_threads()}, file)
        command = [str(python), str(script), str(file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield Peer(process, name)
            assert process.stdin is not None
            process.stdin.close()
