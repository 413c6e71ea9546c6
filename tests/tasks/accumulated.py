"""Optimizer steps over several batches and over one merged batch, for every task, in one process and in two.

``python -m tests.tasks.accumulated FOLDER`` is one of two processes; Lightning reads its rank from the environment.
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

from seqvise.datamodules.documents import LabelBatch
from seqvise.datamodules.images import ImageBatch
from seqvise.datamodules.sampler import CountedLoader
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
"""Rows of the batches; with two batches per step, the last step has one."""
VOCAB_SIZE, MAX_LENGTH = 30, 12
SGD = OptimizerOptions(name="sgd", lr=0.5, momentum=0.0)
MONITOR = MonitorOptions("train/loss", "min")
Kind = tuple[Callable[[], Task], Callable[[Sequence[int]], Any]]
"""Functions that make the task, and a batch from rows of the data."""


def sentence(row: int, side: int) -> np.ndarray:
    """A sentence of 2 to ``MAX_LENGTH`` words."""
    rng = np.random.default_rng([row, side])
    return rng.integers(4, VOCAB_SIZE, rng.integers(2, MAX_LENGTH + 1)).astype(np.int32)


def pairs(rows: Sequence[int], width: int | None = None) -> PairBatch:
    """Sentence pairs, with targets padded to a width or to the longest."""
    targets = [sentence(row, 1) for row in rows]
    padded = np.full((len(rows), width or max(map(len, targets))), PAD)
    for index, target in enumerate(targets):
        padded[index, : len(target)] = target
    return PairBatch(source_batch([sentence(row, 0) for row in rows]), torch.from_numpy(padded), torch.tensor(rows))


def translation(**loss: Any) -> TranslationTask:
    options = RecurrentOptions(embedding=8, encoder_hidden=6, decoder_hidden=8)
    options.dropout.scale = 0.0
    choices = LossOptions(precision="fp32", **loss)
    store: Any = None
    return TranslationTask(
        Recurrent(options, VOCAB_SIZE, VOCAB_SIZE), choices, SGD, ScheduleOptions(), ForcingOptions(), MONITOR, store, 1
    )


def columns(rows: Sequence[int]) -> StreamBatch:
    """Columns of the stream. Their length depends on the first row, so that all windows of a step have one length."""
    steps = {0: 5, 7: 9, 20: 4}[max(start for start in (0, 7, 20) if start <= rows[0])]
    words = np.stack([np.random.default_rng([row, 2]).integers(4, VOCAB_SIZE, steps + 1) for row in rows])
    ids = torch.from_numpy(words)
    return StreamBatch(ids[:, :-1], ids[:, 1:], True, len(rows) * steps)


def language_model() -> LanguageModel:
    options = LanguageModelOptions(embedding=8, hidden=10, layers=2, dropout=StreamDropoutOptions(scale=0.0))
    store: Any = None
    loss = LossOptions(precision="fp32")
    return LanguageModel(AwdLstm(options, VOCAB_SIZE), loss, SGD, ScheduleOptions(), MONITOR, store, 1, bptt=6)


def documents(rows: Sequence[int]) -> LabelBatch:
    """Documents with two labels."""
    return LabelBatch(
        source_batch([sentence(row, 3) for row in rows]), torch.tensor([row % 2 for row in rows]), torch.tensor(rows)
    )


def classification() -> Classification:
    options = ClassifierOptions(
        embedding=8, hidden=10, layers=1, head=6, window=5, dropout=ClassifierDropoutOptions(scale=0.0)
    )
    loss = LossOptions(label_smoothing=0.1)
    model = TextClassifier(options, VOCAB_SIZE, 2)
    return Classification(model, loss, SGD, ScheduleOptions(), MONITOR, seed=1, labels=("a", "b"))


def images(rows: Sequence[int]) -> ImageBatch:
    """Features of images with seen labels."""
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
    "padding": (partial(translation, count_padding=True), partial(pairs, width=MAX_LENGTH)),
    "language model": (language_model, columns),
    "classification": (classification, documents),
    "cosine": (partial(devise, "cosine"), images),
    "hinge": (partial(devise, "hinge"), images),
    "contrastive": (partial(devise, "contrastive"), images),
}


def make_task(kind: str) -> Task:
    """The task, identical on each call, without batch norm, whose statistics depend on the batches."""
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


def merge(batches: list[list[int]], size: int) -> list[list[int]]:
    """The batches, ``size`` of them merged into one."""
    return [[row for rows in batches[start : start + size] for row in rows] for start in range(0, len(batches), size)]


def fit(kind: str, batches: list[list[int]], folder: Path, size: int = 1, **settings: Any) -> tuple[Task, pl.Trainer]:
    """Trains for one epoch on batches of rows, ``size`` batches per optimizer step."""
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "accelerator": "cpu", "max_epochs": 1, "default_root_dir": folder}
    trainer = pl.Trainer(**{**quiet, **settings}, accumulate_grad_batches=size, use_distributed_sampler=False)
    task = make_task(kind)
    dataset: Any = [KINDS[kind][1](rows) for rows in batches]
    loader: DataLoader[Any] = DataLoader(dataset, batch_size=None)
    trainer.fit(task, CountedLoader(loader, trainer, task.loss_counts))
    return task, trainer


def weights(task: Task) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in task.named_parameters()}


def rank_rows(rows: list[int], rank: int) -> list[int]:
    """The rows of one process, which gets an uneven share of a batch."""
    cut = -(-2 * len(rows) // 3) if len(rows) > 2 else 1
    return rows[:cut] if rank == 0 else rows[cut:]


def main(folder: Path) -> None:
    """Trains every kind of task as one of two processes; rank 0 saves the weights."""
    rank = int(os.environ["LOCAL_RANK"])
    batches = [rank_rows(rows, rank) for rows in single_rows()]
    for kind in KINDS:
        task, trainer = fit(kind, batches, folder, 2, strategy="ddp_find_unused_parameters_true", devices=2)
        if trainer.is_global_zero:
            torch.save(weights(task), folder / f"{kind}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
