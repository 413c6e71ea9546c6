"""Corpus preparation and training, killed at random moments and resumed, compared with uninterrupted runs.

Real processes receive real SIGKILLs. They are forked after all imports, so that the kills hit the work itself. After
every kill the folder is checked: files with final names must be complete, and earlier files must still exist. Each
finished run must have the same bytes (or weights) as the uninterrupted one; then a new run starts in another folder.
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
BATCHES = 1  # of 4,096 pairs, after which preparation commits, as for a larger corpus
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
class Task:
    """A task that is started, killed and resumed.

    Attributes:
        name: name in the table.
        start: runs the task in a folder; called in a separate process.
        faults: returns the faults of a folder after a kill.
        kept: returns names of files that must still exist after a later kill.
        result: returns a digest of the result; None before the task has finished.
    """

    name: str
    start: Callable[[Path], object]
    faults: Callable[[Path], list[str]]
    kept: Callable[[Path], set[str]]
    result: Callable[[Path], str | None]
    notes: list[str] = field(default_factory=list)


def measure_kills(prepare: int, train: int) -> list[dict[str, Any]]:
    """One row for each task: number of kills, finished runs and faults, and whether all results are equal."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        write_corpus(corpus, PAIRS)
        tasks = [(preparing(corpus), prepare), (training(Path(folder) / "cache"), train)]
        return [killed(task, kills, Path(folder) / task.name) for task, kills in tasks]


def killed(task: Task, kills: int, root: Path) -> dict[str, Any]:
    """Runs the task uninterrupted, then kills it this many times."""
    generator = random.Random(0)
    run(task, root / "undisturbed", None)  # fills caches
    started = time.monotonic()
    run(task, root / "again", None)
    duration = time.monotonic() - started
    if (expected := task.result(root / "again")) is None:
        raise UserError(f"{task.name} does not finish: {(root / 'again' / 'output.txt').read_text()}")
    faults, ends, same, existing = 0, 0, True, set[str]()
    for _ in range(kills):
        folder = root / f"trial{ends}"
        run(task, folder, generator.uniform(0, duration))
        new_faults = task.faults(folder) + [f"{name} is gone" for name in sorted(existing - task.kept(folder))]
        task.notes += new_faults
        faults, existing = faults + len(new_faults), task.kept(folder)
        if (result := task.result(folder)) is not None:
            ends, same, existing = ends + 1, same and result == expected, set()
    folder = root / f"trial{ends}"
    run(task, folder, None)
    same = same and task.result(folder) == expected
    return {"work": task.name, "kills": kills, "ends": ends + 1, "faults": faults, "same": "yes" if same else "no"}


def run(task: Task, folder: Path, seconds: float | None) -> None:
    """Starts the task in a separate process and kills it after some seconds; None lets it finish."""
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if not child:
        _run_child(task, folder)
    deadline = None if seconds is None else time.monotonic() + seconds
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if deadline is not None and time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.005)


def _run_child(task: Task, folder: Path) -> None:
    code = 1
    try:
        with (folder / "output.txt").open("a") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            task.start(folder)
        code = 0
    finally:
        os._exit(code)


def preparing(corpus: Path) -> Task:
    """The task of preparing a token store of generated pairs."""
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
        halves = [f"{path} is incomplete" for path in stores(folder) if not (path / "manifest.json").is_file()]
        return halves if _digest(corpus) == before else [*halves, "the corpus has changed"]

    return Task(
        name="prepare",
        start=start,
        faults=faults,
        kept=lambda folder: {path.name for path in stores(folder)},
        result=result,
    )


def training(cache: Path) -> Task:
    """The task of training a small model of the phrasebook, with a checkpoint every five steps."""
    import torch

    from seqvise.cli.main import main

    def start(folder: Path) -> object:
        os.chdir(folder)
        resumed = [f"resume={folder / 'run'}"] if (folder / "run" / "checkpoints" / "last.ckpt").is_file() else []
        return main(["train", *(resumed or [*TRAINING, f"paths.cache={cache}", "hydra.run.dir=run", "resume=auto"])])

    def checkpoints(folder: Path) -> list[Path]:
        return sorted((folder / "run" / "checkpoints").glob("*.ckpt"))

    def faults(folder: Path) -> list[str]:
        messages = []
        for path in checkpoints(folder):
            try:
                torch.load(path, weights_only=True)
            except Exception as error:
                messages.append(f"{path}: {error}")
        for path in (folder / "run").glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                json.loads(path.read_text())
        return messages

    def result(folder: Path) -> str | None:
        status = folder / "run" / "status.json"
        if not status.is_file() or json.loads(status.read_text())["status"] != "ok":
            return None
        state = torch.load(folder / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        return hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in state.values())).hexdigest()

    return Task(
        name="train",
        start=start,
        faults=faults,
        kept=lambda folder: {path.name for path in checkpoints(folder)},
        result=result,
    )


def _digest(folder: Path) -> str:
    checksum = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        checksum.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return checksum.hexdigest()
