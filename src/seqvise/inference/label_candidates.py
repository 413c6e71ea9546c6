"""Candidate labels for image classification: those of the run, or names from the user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seqvise.errors import UserError
from seqvise.inference.embedder import Embedder
from seqvise.retrieval.indexes.nearest import Rows
from seqvise.retrieval.queries import word_query
from seqvise.retrieval.results import LabelCandidates
from seqvise.vectors.lexicon import fold


def read_names(value: str) -> list[str]:
    """The distinct names in a file, one per line, or in a comma-separated value.

    Raises:
        UserError: there is no name, or the file is missing or not UTF-8.
    """
    path = Path(value)
    try:
        names = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else value.split(",")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"labels={value} cannot be read: {error}.") from None
    if path.is_dir():
        raise UserError(f"labels={value} is a folder, but must be names with commas between them, or a file of names.")
    if path.suffix == ".txt" and not path.is_file():
        raise UserError(f"labels={value}: there is no such file.")
    if names := list(dict.fromkeys(name.strip() for name in names if name.strip())):
        return names
    raise UserError(
        f"labels={value} has no name: write names with commas between them, or a file of one name per line."
    )


def label_candidates(embedder: Embedder, names: Sequence[str] | None = None) -> LabelCandidates:
    """The run's labels, or the given names, as candidates with the run's calibration.

    A name that is a label of the run has that label's vector. Any other name gets a vector by the run's label policy
    or, if that finds none, like a word of a query.

    Args:
        embedder: the run.
        names: None for all labels of the run.

    Raises:
        UserError: names have no vector; all of them are listed.
    """
    labels = embedder.labels
    if names is None:
        penalties = _penalties(embedder, labels.names)
        return LabelCandidates(labels.names, labels.titles, labels.vectors, penalties, embedder.held_out)
    run_labels = {
        fold(name): label for label, title in enumerate(labels.titles) for name in (title, labels.names[label])
    }
    rows = [run_labels.get(fold(name)) for name in names]
    new_vectors = _vectors(embedder, [name for name, row in zip(names, rows, strict=True) if row is None])
    vectors = [new_vectors[name] if row is None else labels.vectors[row] for name, row in zip(names, rows, strict=True)]
    known_labels = ["" if row is None else labels.names[row] for row in rows]
    held_out = frozenset(name for name, label in zip(names, known_labels, strict=True) if label in embedder.held_out)
    penalties = _penalties(embedder, known_labels)
    return LabelCandidates(names, [""] * len(names), np.stack(vectors), penalties, held_out)


def _penalties(embedder: Embedder, labels: Sequence[str]) -> Rows | None:
    """(C,) the calibration for labels seen in training, 0 for others; None if all labels or none were seen."""
    seen = np.array([label in embedder.seen for label in labels])
    if not embedder.calibration or seen.all() or not seen.any():
        return None
    return np.asarray(embedder.calibration * seen, np.float32)


def _vectors(embedder: Embedder, names: Sequence[str]) -> dict[str, Rows]:
    """Unit vectors of names that are not labels of the run."""
    table = embedder.with_labels(names)
    by_policy = dict(zip(table.names, table.vectors, strict=True))
    vectors: dict[str, Rows] = {}
    messages: list[str] = []
    for name in names:
        try:
            vectors[name] = by_policy[name] if name in by_policy else word_query(name, embedder, "unit").vector
        except UserError as error:
            messages += [message.replace("query=", "labels=", 1) for message in error.messages]
    if messages:
        raise UserError(*messages)
    return vectors
