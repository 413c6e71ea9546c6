"""Steps over several batches and the same steps over one batch each, for every task; and two processes that make them.

``python -m tests.tasks.accumulated FOLDER`` is one of the two: Lightning reads its rank from the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from seqvise.datamodules.counted import CountedLoader
from seqvise.datamodules.documents import LabelBatch
from seqvise.datamodules.images import ImageBatch
from seqvise.datamodules.stream import StreamBatch
from seqvise.models.awd_lstm.classifier import TextClassifier
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.awd_lstm.options import (
    ClassifierDropoutOptions,
    ClassifierOptions,
    LanguageModelOptions,
    StreamDropoutOptions,
)
from seqvise.models.devise.model import Devise
from seqvise.models.devise.options import DeviseOptions
from seqvise.models.interface import PAD, PairBatch, source_batch
from seqvise.models.options import ForcingOptions
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.base import Task
from seqvise.tasks.classification import Classification
from seqvise.tasks.image_to_word import ImageToWord
from seqvise.tasks.language_model import LanguageModel
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.translation import TranslationTask
from tests.tasks.made_up import DIM, WIDTH, protocol

SIZES = (5, 2, 9, 4, 3)
"""Rows of the batches: with two a step, the last step has one."""
WORDS, WIDE = 30, 12
SGD = OptimizerOptions(name="sgd", lr=0.5, momentum=0.0)
MONITOR = MonitorOptions("train/loss", "min")
Kind = tuple[Callable[[], Task], Callable[[Sequence[int]], Any]]
"""Makes the task, and a batch of the rows of the data."""


def sentence(row: int, side: int) -> np.ndarray:
    """Words of very different lengths, 2 to ``WIDE``."""
    rng = np.random.default_rng([row, side])
    return rng.integers(4, WORDS, rng.integers(2, WIDE + 1)).astype(np.int32)


def pairs(rows: Sequence[int], width: int | None = None) -> PairBatch:
    """Sentence pairs, the targets padded to a width or to the longest."""
    targets = [sentence(row, 1) for row in rows]
    padded = np.full((len(rows), width or max(map(len, targets))), PAD)
    for place, target in enumerate(targets):
        padded[place, : len(target)] = target
    return PairBatch(source_batch([sentence(row, 0) for row in rows]), torch.from_numpy(padded), torch.tensor(rows))


def translation(**loss: Any) -> TranslationTask:
    options = RecurrentOptions(embedding=8, encoder_hidden=6, decoder_hidden=8)
    options.dropout.scale = 0.0
    choices = LossOptions(precision="fp32", **loss)
    store: Any = None
    return TranslationTask(
        Recurrent(options, WORDS, WORDS), choices, SGD, ScheduleOptions(), ForcingOptions(), MONITOR, store, 1
    )


def columns(rows: Sequence[int]) -> StreamBatch:
    """Columns of the stream. The length is that of the rows' step: all windows of one step are equally long."""
    steps = {0: 5, 7: 9, 20: 4}[max(start for start in (0, 7, 20) if start <= rows[0])]
    words = np.stack([np.random.default_rng([row, 2]).integers(4, WORDS, steps + 1) for row in rows])
    ids = torch.from_numpy(words)
    return StreamBatch(ids[:, :-1], ids[:, 1:], True, len(rows) * steps)


def language_model() -> LanguageModel:
    options = LanguageModelOptions(embedding=8, hidden=10, layers=2, dropout=StreamDropoutOptions(scale=0.0))
    store: Any = None
    loss = LossOptions(precision="fp32")
    return LanguageModel(AwdLstm(options, WORDS), loss, SGD, ScheduleOptions(), MONITOR, store, 1, bptt=6)


def documents(rows: Sequence[int]) -> LabelBatch:
    """Documents of two labels."""
    return LabelBatch(
        source_batch([sentence(row, 3) for row in rows]), torch.tensor([row % 2 for row in rows]), torch.tensor(rows)
    )


def classification() -> Classification:
    options = ClassifierOptions(
        embedding=8, hidden=10, layers=1, head=6, window=5, dropout=ClassifierDropoutOptions(scale=0.0)
    )
    loss = LossOptions(label_smoothing=0.1)
    model = TextClassifier(options, WORDS, 2)
    return Classification(model, loss, SGD, ScheduleOptions(), MONITOR, seed=1, labels=("a", "b"))


def images(rows: Sequence[int]) -> ImageBatch:
    """Features and the labels that are trained on."""
    inputs = np.stack([np.random.default_rng([row, 4]).normal(size=WIDTH) for row in rows]).astype(np.float32)
    seen = protocol().seen
    return ImageBatch(
        torch.from_numpy(inputs), torch.tensor([int(seen[row % len(seen)]) for row in rows]), torch.tensor(rows)
    )


def devise(loss: str) -> ImageToWord:
    options = DeviseOptions(hidden=8, loss=loss)
    options.dropout.scale = 0.0
    return ImageToWord(Devise(options, WIDTH, DIM), SGD, ScheduleOptions(), MONITOR, protocol(), seed=1)


KINDS: dict[str, Kind] = {
    "translation": (translation, pairs),
    "smoothing": (partial(translation, label_smoothing=0.1), pairs),
    "padding": (partial(translation, count_padding=True), partial(pairs, width=WIDE)),
    "language model": (language_model, columns),
    "classification": (classification, documents),
    "cosine": (partial(devise, "cosine"), images),
    "hinge": (partial(devise, "hinge"), images),
    "contrastive": (partial(devise, "contrastive"), images),
}


def made(kind: str) -> Task:
    """The task, the same each time. Batch norm is left out: its statistics are those of each batch."""
    torch.manual_seed(0)
    task = KINDS[kind][0]()
    for module in list(task.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d):
                setattr(module, name, nn.Identity())
    return task


def single_rows() -> list[list[int]]:
    """The rows of each batch."""
    ends = np.cumsum(SIZES)
    return [list(range(end - size, end)) for size, end in zip(SIZES, ends.tolist(), strict=True)]


def joined(parts: list[list[int]], size: int) -> list[list[int]]:
    """So many batches joined to one."""
    return [[row for rows in parts[start : start + size] for row in rows] for start in range(0, len(parts), size)]


def fit(kind: str, batches: list[list[int]], folder: Path, size: int = 1, **settings: Any) -> tuple[Task, pl.Trainer]:
    """Trains an epoch of batches of rows, ``size`` of them a step."""
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "accelerator": "cpu", "max_epochs": 1, "default_root_dir": folder}
    trainer = pl.Trainer(**{**quiet, **settings}, accumulate_grad_batches=size, use_distributed_sampler=False)
    task = made(kind)
    dataset: Any = [KINDS[kind][1](rows) for rows in batches]
    loader: DataLoader[Any] = DataLoader(dataset, batch_size=None)
    trainer.fit(task, CountedLoader(loader, trainer, task.loss_counts))
    return task, trainer


def weights(task: Task) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in task.named_parameters()}


def rank_rows(rows: list[int], rank: int) -> list[int]:
    """An uneven share of a batch's rows."""
    cut = -(-2 * len(rows) // 3) if len(rows) > 2 else 1
    return rows[:cut] if rank == 0 else rows[cut:]


def main(folder: Path) -> None:
    """Trains every kind as one of two processes; the first saves the weights."""
    rank = int(os.environ["LOCAL_RANK"])
    batches = [rank_rows(rows, rank) for rows in single_rows()]
    for kind in KINDS:
        task, trainer = fit(kind, batches, folder, 2, strategy="ddp_find_unused_parameters_true", devices=2)
        if trainer.is_global_zero:
            torch.save(weights(task), folder / f"{kind}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
