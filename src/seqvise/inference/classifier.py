"""Trained classifiers that give texts their labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from seqvise.corpus.documents.options import LabelOptions
from seqvise.corpus.documents.readers import cleaned
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.errors import UserError
from seqvise.files import write_text
from seqvise.inference.translator import find_device
from seqvise.models.awd_lstm.classifier import TextClassifier
from seqvise.models.interface import source_batch
from seqvise.runs.directory import ASSETS
from seqvise.runs.load import Run
from seqvise.runs.model import build_text_model, with_weights

LABELS = "labels.json"


@dataclass(frozen=True)
class Labelled:
    """What a text was found to be.

    Attributes:
        label: the likeliest; None for a text without a word.
        probabilities: (L,) of all labels; zeros for a text without a word.
    """

    label: str | None
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """One classifier with its codec and the options of its data."""

    model: TextClassifier
    codec: TextCodec
    data: LabelOptions
    device: torch.device

    @torch.inference_mode()
    def probabilities(self, texts: Sequence[str], batch: int) -> NDArray[np.float64]:
        """(N, L), texts of like lengths read together. A text without a word is read as its end mark."""
        ids = self.codec.encode(cleaned(text, self.data) for text in texts)
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        found: dict[int, NDArray[np.float64]] = {}
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            logits = self.model(source_batch([ids[row] for row in rows]).to(self.device)).logits
            found.update(zip(rows, torch.softmax(logits.double(), 1).cpu().numpy(), strict=True))
        return np.stack([found[row] for row in range(len(ids))])

    def is_empty(self, text: str) -> bool:
        """Whether a text has no word."""
        return len(self.codec.encode([cleaned(text, self.data)])[0]) < 2


@dataclass(frozen=True)
class Labeller:
    """One classifier, or several whose probabilities' mean is taken.

    Attributes:
        members: the classifiers.
        labels: names, in the order of the probabilities.
        batch: texts read at once.
    """

    members: tuple[Member, ...]
    labels: tuple[str, ...]
    batch: int = 64

    def classify(self, texts: Sequence[str]) -> list[Labelled]:
        """The label of each text, in the order given."""
        if not texts:
            return []
        means = np.mean([member.probabilities(texts, self.batch) for member in self.members], 0)
        return [self._labelled(text, row) for text, row in zip(texts, means, strict=True)]

    def _labelled(self, text: str, row: NDArray[np.float64]) -> Labelled:
        if any(member.is_empty(text) for member in self.members):
            return Labelled(None, np.zeros_like(row))
        return Labelled(self.labels[int(row.argmax())], row)


def load_labeller(paths: Sequence[Path], device: str = "cpu", batch: int = 64, trust: bool = False) -> Labeller:
    """The classifiers of runs, as one.

    Args:
        paths: of run directories.
        device: as torch names them, or ``auto``.
        batch: texts read at once.
        trust: import classes outside of seqvise, torch and Lightning that their configs name.

    Raises:
        UserError: a run is of another task or not whole, or the runs have different labels.
    """
    runs = [Run.open(path, trust) for path in paths]
    labels = [read_labels(run) for run in runs]
    for run, theirs in zip(runs, labels, strict=True):
        if theirs != labels[0]:
            raise UserError(
                f"{runs[0].path} knows the labels {', '.join(labels[0][:8])} and {run.path} {', '.join(theirs[:8])}: "
                "give runs of one set of labels."
            )
    return Labeller(tuple(_member(run, len(labels[0]), device) for run in runs), labels[0], batch)


def save_labels(folder: Path, labels: Sequence[str]) -> None:
    """Writes the names of labels, in their order."""
    write_text(folder / LABELS, json.dumps(list(labels), ensure_ascii=False, indent=2) + "\n")


def read_labels(run: Run) -> tuple[str, ...]:
    """The names that a run's classifier knows.

    Raises:
        UserError: it is no run of a classifier.
    """
    path = run.path / ASSETS / LABELS
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        raise UserError(f"{run.path} has no labels ({path.name}): give the run of a classifier.") from error


def _member(run: Run, labels: int, device: str) -> Member:
    where = find_device(device)
    model = with_weights(run, build_text_model(run.config, len(run.text.vocabulary), labels))
    return Member(cast(TextClassifier, model.to(where)), run.text, cast(LabelOptions, run.config.data), where)
