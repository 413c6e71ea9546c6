"""Loss and metrics of the classification task against a loop over documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F

from seqvise.callbacks.dashboard import confusion_figure
from seqvise.corpus.documents.options import LabelOptions
from seqvise.corpus.documents.prepare import prepare_text
from seqvise.corpus.documents.store import TextStore
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.datamodules.documents import LabelDataModule, LabelDataset
from seqvise.models.awd_lstm.classifier import TextClassifier
from seqvise.models.awd_lstm.options import ClassifierDropoutOptions, ClassifierOptions
from seqvise.models.interface import source_batch
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.classification import Classification
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions

DATA = LabelOptions(name="phrases", format="phrasebook", limit=150, batch_size=16, valid_batch_size=20)


@pytest.fixture(scope="module")
def text(cache: Path) -> TextStore:
    return prepare_text(DATA, TokenizerOptions(name="words"), cache)


def build(text: TextStore) -> Classification:
    torch.manual_seed(0)
    dropout = ClassifierDropoutOptions(scale=0.2)
    options = ClassifierOptions(embedding=8, hidden=10, layers=1, head=6, window=5, dropout=dropout)
    model = TextClassifier(options, len(text.codec.vocabulary), len(text.labels))
    monitor = MonitorOptions("val/accuracy", "max")
    return Classification(
        model, LossOptions(), OptimizerOptions(lr=2e-2), ScheduleOptions(), monitor, seed=1, labels=text.labels
    )


def counted(outputs: Sequence[str], references: Sequence[str]) -> float:
    """The number of French documents; a metric of the user's own."""
    assert {*outputs, *references} <= {"en", "fr"}
    return float(list(references).count("fr"))


@pytest.fixture(scope="module")
def trained(text: TextStore) -> tuple[Classification, dict[str, float]]:
    task = build(text)
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    runner = pl.Trainer(**quiet, enable_model_summary=False, accelerator="cpu", max_epochs=6, num_sanity_val_steps=0)
    task.metric_functions = {"missed": lambda outputs, labels: sum(map(str.__ne__, outputs, labels)), "count": counted}
    runner.fit(task, LabelDataModule(text, DATA, 1))
    return task.eval(), {name: float(value) for name, value in runner.callback_metrics.items()}


@torch.no_grad()
def test_metrics_equal_a_loop_over_documents(text: TextStore, trained: tuple[Classification, dict[str, float]]) -> None:
    task, logged = trained
    part = text.part("valid")
    assert part is not None
    loss, counts = 0.0, np.zeros((2, 2), np.int64)
    for row in range(len(part)):
        logits = task.classifier(source_batch([part.documents[row]])).logits[0]
        loss += float(F.cross_entropy(logits, torch.tensor(int(part.labels[row]))))
        counts[part.labels[row], int(logits.argmax())] += 1
    assert logged["val/loss"] == pytest.approx(loss / len(part), rel=1e-4)
    assert logged["val/accuracy"] == pytest.approx(np.trace(counts) / len(part))
    assert logged["val/missed"] == counts.sum() - np.trace(counts)
    assert logged["val/count"] == counts[text.labels.index("fr")].sum()
    assert logged["val/accuracy"] > 0.9, "French and English are easy to distinguish"
    assert task.confusion is not None
    assert task.confusion.tolist() == counts.tolist()


def test_every_document_occurs_once_per_epoch_in_batches_of_similar_lengths(text: TextStore) -> None:
    loader = LabelDataModule(text, DATA, 1).train_dataloader()
    batches = list(loader)
    assert sorted(row for batch in batches for row in batch.rows.tolist()) == list(range(150))
    part = text.part("train")
    assert part is not None
    mean_deviation = np.mean([batch.documents.lengths.double().std() for batch in batches])
    assert mean_deviation < 0.5 * part.documents.lengths.std()
    batch = batches[0]
    for row, ids, length, label in zip(
        batch.rows, batch.documents.ids, batch.documents.lengths, batch.labels, strict=True
    ):
        assert ids[:length].tolist() == part.documents[int(row)].tolist()
        assert int(label) == int(part.labels[int(row)])


def test_the_training_loss_is_a_mean_over_documents_with_penalties(text: TextStore) -> None:
    task = build(text).eval()
    logged: dict[str, float] = {}
    task.log = lambda name, value, **_: logged.update({name: float(value)})  # type: ignore[method-assign]
    part = text.part("train")
    assert part is not None
    batch = LabelDataset(part)[[0, 1, 2]]
    output = task.classifier(batch.documents)
    cross_entropy = F.cross_entropy(output.logits, batch.labels)
    real = batch.documents.mask()
    changes = (output.encoded.raw[:, 1:] - output.encoded.raw[:, :-1])[real[:, 1:]]
    penalties = 2.0 * output.encoded.outputs[real].square().mean() + changes.square().mean()
    torch.testing.assert_close(task.training_step(batch, 0), cross_entropy + penalties)
    assert logged["train/loss"] == pytest.approx(float(cross_entropy))


def test_the_figure_has_a_cell_for_each_pair_of_labels() -> None:
    figure = confusion_figure(np.array([[5, 1], [0, 7]]), ["no$", "yes"])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["5", "1", "0", "7"]
