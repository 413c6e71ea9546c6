"""Training as processes are added: target words a second of the attention model at the lesson's widths, by train.py.

Each process has one thread and batches of its own, as `trainer=ddp_cpu` has it; one process with as many threads stands
beside them. The ways take turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reading import write_corpus

TRAIN = Path(__file__).parents[1] / "train.py"
WORDS = (
    "experiment=lesson11/attention",
    "data=files",
    "data.train=train",
    "data.valid_fraction=0.01",
    "tokenizer=words",
    "tokenizer.max_words=17573",
    "vectors=none",
    "vectors.dim=300",
    "model.teacher_forcing={start:1,end:1,over:null}",
    "trainer.log_every_n_steps=2",
    "test=false",
)


class Way(NamedTuple):
    """So many processes, each with so many threads."""

    processes: int
    threads: int


def ways(cores: int) -> list[Way]:
    """One process of one thread, of all threads, and more processes of one thread each, twice as many at a time."""
    found = [Way(1, 1)]
    while 2 * found[-1].processes <= cores:
        found.append(Way(2 * found[-1].processes, 1))
    return [found[0], Way(1, cores), *found[1:]] if cores > 1 else found


def measure_processes(pairs: int, cores: int, rounds: int, *more: str) -> list[dict[str, Any]]:
    """A row for each way: median target words a second, and how many times those of one thread.

    Args:
        pairs: of an invented corpus.
        cores: the most processes.
        rounds: of each way.
        more: words of the command line.

    Raises:
        RuntimeError: a training failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        write_corpus(corpus, pairs)
        words = [*WORDS, *more, f"data.root={corpus}", f"paths.outputs={folder}/outputs"]
        taken = [
            {way: _rate(way, words, Path(folder) / f"{turn}-{way.processes}-{way.threads}") for way in ways(cores)}
            for turn in range(rounds)
        ]
    return [
        {
            **way._asdict(),
            "tokens_per_second": statistics.median(turn[way] for turn in taken),
            "ratio": statistics.median(turn[way] / turn[Way(1, 1)] for turn in taken),
        }
        for way in ways(cores)
    ]


def _rate(way: Way, words: list[str], folder: Path) -> float:
    """Target words a second in the second epoch of a training, of all its processes together."""
    trainer = ["trainer=cpu"] if way.processes == 1 else ["trainer=ddp_cpu", f"trainer.devices={way.processes}"]
    command = [sys.executable, str(TRAIN), *words, *trainer, "trainer.max_epochs=2", f"hydra.run.dir={folder}"]
    environment = os.environ | {"OMP_NUM_THREADS": str(way.threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{way} ended with {done.returncode}:\n{done.stderr}")
    _, last = (folder / "progress.jsonl").read_text().splitlines()
    return float(json.loads(last)["speed/tokens_per_second"])
