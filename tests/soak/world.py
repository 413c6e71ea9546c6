"""A run, a store, features and an index to damage, and commands in processes of their own."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqvise.cli.main import main
from tests.earlier import EARLIER

COMMON = ("trainer=cpu", "callbacks.progress=false", "callbacks.samples=2", "callbacks.attention_maps=0", "logger=csv")
TRANSLATION = (
    *("data=phrasebook", "data.limit=60", "data.batch_size=20", "model.embedding=8", "model.encoder_hidden=6"),
    *("model.decoder_hidden=8", "trainer.max_epochs=3", "callbacks.save_steps=2", "optimizer.lr=2e-2", "test=false"),
)
IMAGES = (
    *("model=devise", "data=image_folder", "data.root=images", "data.limit=4", "data.batch_size=4", "data.workers=0"),
    *("data.valid_batch_size=4", "data.backbone=seqvise.images.synthetic.network.PicturesNetwork"),
    *("data.weights=network.pt", "vectors=fasttext", "vectors.target=words.vec", "vectors.dim=4", "model.hidden=8"),
    "data.transform={resize: 20, crop: 16, mean: [0.5,0.5,0.5], std: [0.25,0.25,0.25]}",
    *("monitor.metric=val/loss", "monitor.mode=min", "trainer.max_epochs=2", "callbacks.save_steps=1", "test=false"),
)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, negative for a signal, and what it printed."""

    code: int
    output: str
    errors: str

    @property
    def crashed(self) -> bool:
        """Whether the user was shown a traceback."""
        return "Traceback (most recent call last)" in self.errors + self.output


def command(folder: Path, words: Sequence[str], kill_after: float | None = None, file_size: int | None = None) -> Ended:
    """Runs a command in a forked process, which has imported everything already.

    Args:
        folder: the working directory.
        words: of ``seqvise``.
        kill_after: seconds after which SIGKILL is sent.
        file_size: the largest file that the process can write, in bytes, as on a full disk.
    """
    pipes = [os.pipe(), os.pipe()]
    process = os.fork()
    if not process:
        _child(folder, words, [write for _, write in pipes], file_size)
    texts = ["", ""]

    def read(number: int) -> None:
        with os.fdopen(pipes[number][0], encoding="utf-8", errors="replace") as file:
            texts[number] = file.read()

    for _, write in pipes:
        os.close(write)
    readers = [threading.Thread(target=read, args=(number,)) for number in range(len(pipes))]
    for reader in readers:
        reader.start()
    status = _wait(process, 600 if kill_after is None else kill_after)
    for reader in readers:
        reader.join()
    return Ended(os.waitstatus_to_exitcode(status), *texts)


def _wait(process: int, seconds: float) -> int:
    """The status with which a process ends, or is killed after so many seconds, its own processes included."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        finished, status = os.waitpid(process, os.WNOHANG)
        if finished:
            return status
        time.sleep(0.002)
    os.killpg(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1]


def _child(folder: Path, words: Sequence[str], pipes: Sequence[int], file_size: int | None) -> None:
    code = 99
    try:
        os.setpgid(0, 0)
        for number, pipe in enumerate(pipes, 1):
            os.dup2(pipe, number)
            os.close(pipe)
        # Streams that end in the pipes, whatever pytest has put in their place.
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.chdir(folder)
        if file_size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, resource.RLIM_INFINITY))
        code = main(words)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)


def bytes_of(folder: Path) -> dict[str, str]:
    """A hash of each file below a folder, lock files aside."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and not path.name.endswith(".lock")
    }


def weights_of(checkpoint: Path) -> dict[str, bytes]:
    """The bytes of each weight."""
    import torch

    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    return {name: value.contiguous().numpy().tobytes() for name, value in state.items()}


def build(folder: Path) -> None:
    """A finished run of each kind with its cache, an index, and input to use them with.

    Raises:
        RuntimeError: a command failed.
    """
    folder.mkdir()
    for name in ("images", "network.pt", "words.vec"):
        source = EARLIER / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    shutil.copy(EARLIER / "expected" / "source.fr", folder / "source.fr")
    steps = (
        ("train", *TRANSLATION, *COMMON, "paths.cache=cache", "hydra.run.dir=runs/translation"),
        ("train", *IMAGES, *COMMON, "paths.cache=cache", "hydra.run.dir=runs/images"),
        ("index", "run=runs/images", "images=images", "output=index", "device=cpu", "cache=cache"),
    )
    for words in steps:
        if (ended := command(folder, words)).code:
            raise RuntimeError(f"{words}: {ended}")


def translation(folder: Path, run: str = "runs/translation") -> Ended:
    """The run's translations of the input, on standard output."""
    words = ("translate", f"run={run}", "input=source.fr", "format=json", "beam=2", "workers=1", "device=cpu")
    return command(folder, words)


def search(folder: Path, run: str = "runs/images") -> Ended:
    """What the index answers, as JSON in place of the terminal's table, without the folder that the images lie in."""
    words = (
        "search",
        f"run={run}",
        "index=index",
        "query=red",
        "query=plum - red",
        "k=5",
        "json=out.json",
        "device=cpu",
    )
    ended = command(folder, words)
    file = folder / "out.json"
    output = "" if ended.code else json.dumps(_without_files(json.loads(file.read_text())["answers"]))
    file.unlink(missing_ok=True)
    return Ended(ended.code, output, ended.errors)


def _without_files(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An index made in a copy names the files of the copy."""
    hits = [
        [{name: value for name, value in hit.items() if name != "file"} for hit in answer["hits"]] for answer in answers
    ]
    return [{**answer, "hits": kept} for answer, kept in zip(answers, hits, strict=True)]
