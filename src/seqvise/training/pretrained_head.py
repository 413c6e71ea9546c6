"""Initial weights from the head of another DeViSE run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from seqvise.errors import UserError
from seqvise.images.labels import LabelTable
from seqvise.runs.directory import ASSETS
from seqvise.runs.load import Run
from seqvise.runs.model import model_weights

HEAD, LABELS = "head.", "labels"
TOLERANCE = 1e-3
"""Label vectors have length 1; differences below this are rounding errors."""


def load_head(model: nn.Module, path: Path, labels: LabelTable, trust: bool = False) -> None:
    """Loads the head of the run that ``model.head`` names into a new model.

    Args:
        model: a new ``Devise``.
        path: the run directory.
        labels: the labels of the new model, compared with the labels that the head was trained on.
        trust: whether classes outside seqvise, torch and Lightning that the run's config names may be imported.

    Raises:
        UserError: the run has no such head, or its head was trained on other word vectors.
    """
    run = Run.open(path.expanduser(), trust)
    weights = model_weights(run.checkpoint())
    head = {name.removeprefix(HEAD): weight for name, weight in weights.items() if name.startswith(HEAD)}
    expected = model.get_submodule("head").state_dict()
    if not head:
        raise UserError(f"model.head={path} is not the run of a DeViSE model: choose a run that was trained on images.")
    if {name: value.shape for name, value in head.items()} != {name: value.shape for name, value in expected.items()}:
        raise UserError(
            f"The head of model.head={path} has other sizes: set data.backbone, vectors.dim, model.hidden and "
            "model.batch_norm as in that run."
        )
    _check_vectors(path, LabelTable.load(run.path / ASSETS / LABELS), labels)
    model.get_submodule("head").load_state_dict(head)


def _check_vectors(path: Path, trained: LabelTable, labels: LabelTable) -> None:
    common = [(trained.names.index(name), row) for row, name in enumerate(labels.names) if name in trained.names]
    trained_rows, label_rows = (list(rows) for rows in zip(*common, strict=True)) if common else ([], [])
    if not common or float(np.abs(trained.vectors[trained_rows] - labels.vectors[label_rows]).max()) > TOLERANCE:
        reason = "has no label in common with the data" if not common else "was trained on other word vectors"
        raise UserError(f"model.head={path} {reason}: set vectors and data as in that run.")
