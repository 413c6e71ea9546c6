"""Trained text classifiers, single or as an ensemble."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, overload

import numpy as np
import torch
from numpy.typing import NDArray

from seqvise.corpus.documents.options import LABELS as LABELLED
from seqvise.corpus.documents.options import LabelOptions
from seqvise.corpus.documents.readers import cleaned
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.errors import UserError
from seqvise.files import write_text
from seqvise.inference.translator import find_device
from seqvise.models.awd_lstm.classifier import TextClassifier
from seqvise.models.interface import source_batch
from seqvise.moved import former_attribute
from seqvise.runs.directory import ASSETS
from seqvise.runs.load import Run, other_command
from seqvise.runs.model import build_text_model, with_weights

LABELS = "labels.json"


@dataclass(frozen=True)
class ClassificationResult:
    """The predicted label of a text.

    Attributes:
        label: the most probable label; None for an empty text.
        probabilities: (L,) of all labels; zeros for an empty text.
    """

    label: str | None
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class EnsembleMember:
    """One model of an ensemble, with its codec and data options."""

    model: TextClassifier
    codec: TextCodec
    data: LabelOptions
    device: torch.device

    @torch.inference_mode()
    def probabilities(self, texts: Sequence[str], batch_size: int) -> NDArray[np.float64]:
        """(N, L) label probabilities; texts are batched by length. An empty text is encoded as `<eos>`."""
        ids = self.codec.encode(cleaned(text, self.data) for text in texts)
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        by_row: dict[int, NDArray[np.float64]] = {}
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            logits = self.model(source_batch([ids[row] for row in rows]).to(self.device)).logits
            by_row.update(zip(rows, torch.softmax(logits.double(), 1).cpu().numpy(), strict=True))
        return np.stack([by_row[row] for row in range(len(ids))])

    def is_empty(self, text: str) -> bool:
        """Whether a text has no tokens besides `<eos>`."""
        return len(self.codec.encode([cleaned(text, self.data)])[0]) < 2


@dataclass(frozen=True)
class Classifier:
    """A classifier, or an ensemble of classifiers whose probabilities are averaged.

    Attributes:
        members: the classifiers.
        labels: label names, in the order of the probabilities.
        batch: texts per batch.
    """

    members: tuple[EnsembleMember, ...]
    labels: tuple[str, ...]
    batch: int = 64

    @overload
    def classify(self, texts: str) -> ClassificationResult: ...  # type: ignore[overload-overlap]  # str is a sequence, too

    @overload
    def classify(self, texts: Sequence[str]) -> list[ClassificationResult]: ...

    def classify(self, texts: str | Sequence[str]) -> ClassificationResult | list[ClassificationResult]:
        """Predicts the label of one text, or of each text in order."""
        if isinstance(texts, str):
            return self.classify([texts])[0]
        if not texts:
            return []
        means = np.mean([member.probabilities(texts, self.batch) for member in self.members], 0)
        return [self._classification(text, probabilities) for text, probabilities in zip(texts, means, strict=True)]

    def _classification(self, text: str, probabilities: NDArray[np.float64]) -> ClassificationResult:
        if any(member.is_empty(text) for member in self.members):
            return ClassificationResult(None, np.zeros_like(probabilities))
        return ClassificationResult(self.labels[int(probabilities.argmax())], probabilities)


def load_classifier(
    paths: Sequence[str | Path | Run], device: str = "cpu", batch: int = 64, trust: bool = False
) -> Classifier:
    """Loads the classifiers of one or several runs as one ensemble.

    Args:
        paths: run directories or open runs.
        device: a torch device name, or ``auto``.
        batch: texts per batch.
        trust: import classes outside of seqvise, torch and Lightning that their configs name.

    Raises:
        UserError: a run is of another task or incomplete, or the runs have different labels.
    """
    runs = [Run.open(path, trust) for path in paths]
    labels = [read_labels(run) for run in runs]
    for run, others in zip(runs, labels, strict=True):
        if others != labels[0]:
            raise UserError(
                f"{runs[0].path} has the labels {', '.join(labels[0][:8])}, but {run.path} has "
                f"{', '.join(others[:8])}: give runs with the same labels."
            )
    return Classifier(tuple(_member(run, len(labels[0]), device) for run in runs), labels[0], batch)


def save_labels(folder: Path, labels: Sequence[str]) -> None:
    """Writes the label names, in order."""
    write_text(folder / LABELS, json.dumps(list(labels), ensure_ascii=False, indent=2) + "\n")


def read_labels(run: Run) -> tuple[str, ...]:
    """The label names of a run's classifier.

    Raises:
        UserError: the run is not of a classifier.
    """
    path = run.path / ASSETS / LABELS
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{run.path} has no labels ({path.name}): give a run of a classifier{other_command(run, LABELLED)}."
        ) from error


def _member(run: Run, label_count: int, device: str) -> EnsembleMember:
    torch_device = find_device(device)
    model = with_weights(run, build_text_model(run.config, len(run.text.vocabulary), label_count))
    return EnsembleMember(
        cast(TextClassifier, model.to(torch_device)), run.text, cast(LabelOptions, run.config.data), torch_device
    )


def __getattr__(name: str) -> object:
    return former_attribute(__name__, name)
