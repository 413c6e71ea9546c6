"""Labels that an image is classified among: the run's, or names that the user gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seqvise.errors import UserError
from seqvise.inference.embedder import Embedder
from seqvise.retrieval.indexes.nearest import Rows
from seqvise.retrieval.queries import word_query
from seqvise.retrieval.results import Candidates
from seqvise.vectors.lexicon import fold


def read_names(value: str) -> list[str]:
    """The names in a file, one a line, or else those between commas; each once.

    Raises:
        UserError: there is none, or the file is not UTF-8.
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


def label_candidates(embedder: Embedder, names: Sequence[str] | None = None) -> Candidates:
    """The run's labels, or some names, as candidates with the run's calibration.

    A name that is a label of the run has that label's vector. Any other gets its vector by the run's label policy, and
    failing that as a word of a query does.

    Args:
        embedder: the run.
        names: None for all labels of the run.

    Raises:
        UserError: names have no vector; all of them are named.
    """
    labels = embedder.labels
    if names is None:
        return Candidates(labels.names, labels.titles, labels.vectors, _handicap(embedder, labels.names))
    own = {fold(name): label for label, title in enumerate(labels.titles) for name in (title, labels.names[label])}
    rows = [own.get(fold(name)) for name in names]
    fresh = _vectors(embedder, [name for name, row in zip(names, rows, strict=True) if row is None])
    vectors = [fresh[name] if row is None else labels.vectors[row] for name, row in zip(names, rows, strict=True)]
    known = ["" if row is None else labels.names[row] for row in rows]
    return Candidates(names, [""] * len(names), np.stack(vectors), _handicap(embedder, known))


def _handicap(embedder: Embedder, labels: Sequence[str]) -> Rows | None:
    """(C,) the calibration at labels that training saw; None where all or none are such."""
    seen = np.array([label in embedder.seen for label in labels])
    if not embedder.calibration or seen.all() or not seen.any():
        return None
    return np.asarray(embedder.calibration * seen, np.float32)


def _vectors(embedder: Embedder, names: Sequence[str]) -> dict[str, Rows]:
    """Vectors of length 1 of names that are no labels of the run."""
    table = embedder.with_labels(names)
    by_policy = dict(zip(table.names, table.vectors, strict=True))
    vectors: dict[str, Rows] = {}
    problems: list[str] = []
    for name in names:
        try:
            vectors[name] = by_policy[name] if name in by_policy else word_query(name, embedder, "unit").vector
        except UserError as error:
            problems += [problem.replace("query=", "labels=", 1) for problem in error.problems]
    if problems:
        raise UserError(*problems)
    return vectors
