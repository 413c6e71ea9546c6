"""Preparing a corpus and training, killed at random moments and started again, against the same undisturbed.

Real processes get real SIGKILLs. They are forks of one that has all imports behind it, so that the moments fall into
the work. After every kill the folder is looked through: what has its final name must be whole, and what was there must
be there still. Each time the work ends, it must have come to the very bytes (the very weights) of the undisturbed one,
and begins anew in another folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.reading import write_corpus
from seqvise.corpus.parallel import ingest
from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.errors import UserError

PAIRS = 40_000
BATCHES = 1  # of 4,096 pairs, after which preparing commits: a larger corpus in small
TRAINING = [
    "data.limit=400",
    "data.batch_size=8",
    "model=attention",
    "model.embedding=12",
    "model.encoder_hidden=6",
    "model.decoder_hidden=12",
    "vectors=none",
    "vectors.dim=12",
    "trainer=cpu",
    "trainer.max_epochs=3",
    "callbacks.save_steps=5",
    "callbacks.progress=false",
    "test=false",
]


@dataclass
class Work:
    """Something that is started, killed and started again.

    Attributes:
        name: of the row.
        start: does it in a folder; called in a process of its own.
        faults: what is wrong with a folder after a kill, by looking at it alone.
        kept: names that must not be gone after a later kill.
        result: what it came to, once it has ended; None before.
    """

    name: str
    start: Callable[[Path], object]
    faults: Callable[[Path], list[str]]
    kept: Callable[[Path], set[str]]
    result: Callable[[Path], str | None]
    notes: list[str] = field(default_factory=list)


def measure_kills(prepare: int, train: int) -> list[dict[str, Any]]:
    """A row for each kind of work: its kills, how often it came to its end, what was lost, and whether ends agreed."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        write_corpus(corpus, PAIRS)
        works = [(preparing(corpus), prepare), (training(Path(folder) / "cache"), train)]
        return [killed(work, kills, Path(folder) / work.name) for work, kills in works]


def killed(work: Work, kills: int, root: Path) -> dict[str, Any]:
    """Runs the work to its end undisturbed, then kills it so many times."""
    draw = random.Random(0)
    run(work, root / "undisturbed", None)  # fills caches
    started = time.monotonic()
    run(work, root / "again", None)
    whole = time.monotonic() - started
    if (expected := work.result(root / "again")) is None:
        raise UserError(f"{work.name} does not come to its end: {(root / 'again' / 'output.txt').read_text()}")
    faults, ends, same, there = 0, 0, True, set[str]()
    for _ in range(kills):
        folder = root / f"trial{ends}"
        run(work, folder, draw.uniform(0, whole))
        found = work.faults(folder) + [f"{name} is gone" for name in sorted(there - work.kept(folder))]
        work.notes += found
        faults, there = faults + len(found), work.kept(folder)
        if (result := work.result(folder)) is not None:
            ends, same, there = ends + 1, same and result == expected, set()
    folder = root / f"trial{ends}"
    run(work, folder, None)
    same = same and work.result(folder) == expected
    return {"work": work.name, "kills": kills, "ends": ends + 1, "faults": faults, "same": "yes" if same else "no"}


def run(work: Work, folder: Path, seconds: float | None) -> None:
    """Starts the work in a process of its own and kills it after so many seconds; None lets it come to its end."""
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if not child:
        _be(work, folder)
    deadline = None if seconds is None else time.monotonic() + seconds
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if deadline is not None and time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.005)


def _be(work: Work, folder: Path) -> None:
    code = 1
    try:
        with (folder / "output.txt").open("a") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            work.start(folder)
        code = 0
    finally:
        os._exit(code)


def preparing(corpus: Path) -> Work:
    """A token store of generated pairs."""
    data = DataOptions(root=str(corpus), train="train", prepare_workers=1)
    before = _digest(corpus)

    def start(folder: Path) -> None:
        ingest.COMMIT_BATCHES = BATCHES
        prepare_corpus(data, TokenizerOptions(name="words"), folder)

    def stores(folder: Path) -> list[Path]:
        return [path for path in (folder / "corpora").glob("files-*") if path.is_dir()]

    def result(folder: Path) -> str | None:
        return _digest(stores(folder)[0]) if stores(folder) else None

    def faults(folder: Path) -> list[str]:
        halves = [f"{path} is not whole" for path in stores(folder) if not (path / "manifest.json").is_file()]
        return halves if _digest(corpus) == before else [*halves, "the corpus is another"]

    return Work(
        name="prepare",
        start=start,
        faults=faults,
        kept=lambda folder: {path.name for path in stores(folder)},
        result=result,
    )


def training(cache: Path) -> Work:
    """A small model of the phrasebook, a checkpoint every five steps."""
    import torch

    from seqvise.cli.main import main

    def start(folder: Path) -> object:
        os.chdir(folder)
        resumed = [f"resume={folder / 'run'}"] if (folder / "run" / "checkpoints" / "last.ckpt").is_file() else []
        return main(["train", *(resumed or [*TRAINING, f"paths.cache={cache}", "hydra.run.dir=run", "resume=auto"])])

    def checkpoints(folder: Path) -> list[Path]:
        return sorted((folder / "run" / "checkpoints").glob("*.ckpt"))

    def faults(folder: Path) -> list[str]:
        found = []
        for path in checkpoints(folder):
            try:
                torch.load(path, weights_only=True)
            except Exception as error:
                found.append(f"{path}: {error}")
        for path in (folder / "run").glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                json.loads(path.read_text())
        return found

    def result(folder: Path) -> str | None:
        status = folder / "run" / "status.json"
        if not status.is_file() or json.loads(status.read_text())["status"] != "ok":
            return None
        state = torch.load(folder / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        return hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in state.values())).hexdigest()

    return Work(
        name="train",
        start=start,
        faults=faults,
        kept=lambda folder: {path.name for path in checkpoints(folder)},
        result=result,
    )


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()
