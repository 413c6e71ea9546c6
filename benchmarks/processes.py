"""Target tokens per second of train.py with several processes: the attention model at the widths of fast.ai's lesson.

Each process has one thread and its own batches, as with `trainer=ddp_cpu`; one process with as many threads is measured
for comparison. The settings take turns.
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
OVERRIDES = (
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


class Setting(NamedTuple):
    """Number of processes and of threads per process."""

    processes: int
    threads: int


def process_settings(cores: int) -> list[Setting]:
    """One process with one thread, one with all threads, and 2, 4, 8 ... processes of one thread each."""
    settings = [Setting(1, 1)]
    while 2 * settings[-1].processes <= cores:
        settings.append(Setting(2 * settings[-1].processes, 1))
    return [settings[0], Setting(1, cores), *settings[1:]] if cores > 1 else settings


def measure_processes(pairs: int, cores: int, rounds: int, *more: str) -> list[dict[str, Any]]:
    """One row for each setting: median target tokens per second, and the ratio to one thread.

    Args:
        pairs: size of a generated corpus.
        cores: maximum number of processes.
        rounds: measurements of each setting.
        more: further overrides.

    Raises:
        RuntimeError: a training failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        write_corpus(corpus, pairs)
        overrides = [*OVERRIDES, *more, f"data.root={corpus}", f"paths.outputs={folder}/outputs"]
        rounds_of_rates = [
            {
                setting: _rate(setting, overrides, Path(folder) / f"{index}-{setting.processes}-{setting.threads}")
                for setting in process_settings(cores)
            }
            for index in range(rounds)
        ]
    return [
        {
            **setting._asdict(),
            "tokens_per_second": statistics.median(rates[setting] for rates in rounds_of_rates),
            "ratio": statistics.median(rates[setting] / rates[Setting(1, 1)] for rates in rounds_of_rates),
        }
        for setting in process_settings(cores)
    ]


def _rate(setting: Setting, overrides: list[str], folder: Path) -> float:
    """Target tokens per second in the second epoch of a training, summed over its processes."""
    trainer = ["trainer=cpu"] if setting.processes == 1 else ["trainer=ddp_cpu", f"trainer.devices={setting.processes}"]
    command = [sys.executable, str(TRAIN), *overrides, *trainer, "trainer.max_epochs=2", f"hydra.run.dir={folder}"]
    environment = os.environ | {"OMP_NUM_THREADS": str(setting.threads)}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"{setting} ended with {process.returncode}:\n{process.stderr}")
    _, last = (folder / "progress.jsonl").read_text().splitlines()
    return float(json.loads(last)["speed/tokens_per_second"])
