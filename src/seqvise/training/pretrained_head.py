"""The trained head of one DeViSE run as the start of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from seqvise.config.options import Config
from seqvise.errors import UserError
from seqvise.images.labels import LabelTable
from seqvise.images.options import ImageOptions
from seqvise.runs.directory import ASSETS
from seqvise.runs.load import Run
from seqvise.runs.model import model_weights

HEAD, LABELS = "head.", "labels"
NEAR = 1e-3
"""Label vectors have length 1; smaller differences come from rounding."""
FILES = ("vectors.target", "data.synsets")
"""Keys of files, which have other folders on other machines: their names are compared."""


def load_head(model: nn.Module, path: Path, labels: LabelTable, config: Config) -> None:
    """Copies the head of the run that ``model.head`` names into a new model.

    Args:
        model: a new ``Devise``.
        path: the run directory.
        labels: those of the new model, to compare with the labels that the head was trained on.
        config: the new run's; with ``trust``, classes outside of seqvise, torch and Lightning that the other run's
            config names are imported.

    Raises:
        UserError: the run has no such head, or one for other word vectors.
    """
    run = Run.open(path.expanduser(), config.trust)
    weights = model_weights(run.checkpoint())
    head = {name.removeprefix(HEAD): weight for name, weight in weights.items() if name.startswith(HEAD)}
    wanted = model.get_submodule("head").state_dict()
    if not head:
        raise UserError(f"model.head={path} is not the run of a DeViSE model: give a run that was trained on images.")
    if {name: value.shape for name, value in head.items()} != {name: value.shape for name, value in wanted.items()}:
        raise UserError(
            f"The head of model.head={path} has other sizes: set data.backbone, vectors.dim, model.hidden and "
            "model.batch_norm as that run has them."
        )
    if problem := _vector_problem(LabelTable.load(run.path / ASSETS / LABELS), labels, run.config, config):
        raise UserError(f"model.head={path} {problem}")
    model.get_submodule("head").load_state_dict(head)


def _vector_problem(trained: LabelTable, labels: LabelTable, before: Config, now: Config) -> str | None:
    """What is wrong with the label vectors that the head was trained on; None where they are those of the new run."""
    common = [(trained.names.index(name), row) for row, name in enumerate(labels.names) if name in trained.names]
    if not common:
        return "has no label in common with the data: set data as that run has it."
    first, second = (list(rows) for rows in zip(*common, strict=True))
    if float(np.abs(trained.vectors[first] - labels.vectors[second]).max()) <= NEAR:
        return None
    former, wanted = dict(_settings(before)), dict(_settings(now))
    differing = [key for key, value in former.items() if wanted[key] != value]
    if not differing:
        return "was trained on other label vectors: set vectors and data as that run has them."
    values = "; ".join(f"{key} is {former[key]} there and {wanted[key]} here" for key in differing)
    return f"was trained on other label vectors: {values}. Set {' and '.join(differing)} as it is there."


def _settings(config: Config) -> Iterator[tuple[str, Any]]:
    """The keys that label vectors depend on, with their values."""
    data: ImageOptions = config.data
    yield "data.hypernyms", data.hypernyms if data.wordnet else 0.0
    yield "data.wordnet", "set" if data.wordnet else "null"
    yield "data.policy", data.policy
    yield "vectors.whiten", config.vectors.whiten
    for key, file in zip(FILES, (config.vectors.target, data.synsets), strict=True):
        yield key, Path(file).name if file else "null"
