"""Results of a search: ranked images, labels, classes or synsets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np

from seqvise.retrieval.image_index import ImageIndex
from seqvise.retrieval.indexes.exact import ExactIndex
from seqvise.retrieval.indexes.nearest import Rows
from seqvise.retrieval.queries import Query

SPARE = 10
"""Extra results requested to make up for copies of the query, which are excluded."""
SAME_RADIANS = 1e-3
"""Maximum angle in radians between the query and an image that may be a copy of it."""


@dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        name: the path of an image below its root, or the name of a class or synset.
        title: text for display: an image's label, or the words of a class or synset; may be empty.
        angle: angle to the query in radians.
        penalty: subtracted from the cosine by the run's calibration.
        held_out: whether its label was held out of training.
    """

    name: str
    title: str
    angle: float
    file: Path | None = None
    penalty: float = 0.0
    held_out: bool = False

    @property
    def mark(self) -> str:
        """``held out`` for a label that was not seen in training."""
        return "held out" if self.held_out else ""

    @property
    def cosine(self) -> float:
        """Cosine similarity to the query, from 1 down to -1."""
        return math.cos(self.angle)

    @property
    def score(self) -> float:
        """The score that ranks results: the cosine minus the penalty."""
        return self.cosine - self.penalty


@dataclass(frozen=True)
class Answer:
    """A query and its results, highest score first.

    Attributes:
        calibrated: whether scores differ from cosines.
    """

    query: Query
    hits: tuple[Hit, ...]
    calibrated: bool = False

    @property
    def scores(self) -> tuple[str, ...]:
        """The attributes of a hit that are shown as its scores."""
        return ("score", "cosine") if self.calibrated else ("cosine",)

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        query: dict[str, Any] = {"query": self.query.text}
        if self.query.image is None:
            query["terms"] = [{"text": term.text, "sign": term.sign} for term in self.query.terms]
        else:
            query["image"] = str(self.query.image)
        hits = [
            {
                "rank": rank,
                "name": hit.name,
                "title": hit.title,
                **({"score": round(hit.score, 6)} if self.calibrated else {}),
                "cosine": round(hit.cosine, 6),
                "angle": round(hit.angle, 6),
                **({"held_out": True} if hit.held_out else {}),
                **({"file": str(hit.file)} if hit.file else {}),
            }
            for rank, hit in enumerate(self.hits, 1)
        ]
        return {**query, "notes": list(self.query.notes), "hits": hits}


@dataclass(frozen=True, eq=False)
class LabelCandidates:
    """Labels, classes or synsets that a search ranks.

    Attributes:
        names, titles: the C names, and the titles for display.
        vectors: (C, D) unit vectors.
        penalty: (C,) subtracted from the cosines to an image; None for no penalty.
        held_out: those names whose label was held out of training.
    """

    names: Sequence[str]
    titles: Sequence[str]
    vectors: Rows
    penalty: Rows | None = None
    held_out: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Sequence[str], titles: Sequence[str], vectors: Rows) -> Self:
        """Merges candidates with the same title and vector; the merged name lists all their names."""
        groups: dict[tuple[str, bytes], list[int]] = {}
        for row, title in enumerate(titles):
            groups.setdefault((title, vectors[row].tobytes()), []).append(row)
        rows = [group[0] for group in groups.values()]
        joined_names = [", ".join(names[row] for row in group) for group in groups.values()]
        return cls(joined_names, [titles[row] for row in rows], vectors[rows])

    def answers(self, queries: Sequence[Query], k: int) -> list[Answer]:
        """The ``k`` candidates with the highest scores for each query, or all if there are fewer.

        The penalty applies to image queries only: words are not biased towards labels seen in training.
        """
        index = ExactIndex(self.vectors, np.arange(len(self.names)))
        nearest = index.search(np.stack([query.vector for query in queries]), k if self.penalty is None else len(index))
        rows = zip(queries, nearest.ids.tolist(), nearest.angles.tolist(), strict=True)
        return [self._answer(query, ids, angles, k) for query, ids, angles in rows]

    def _answer(self, query: Query, ids: list[int], angles: list[float], k: int) -> Answer:
        calibrated = self.penalty is not None and query.image is not None
        penalties = self.penalty[ids].tolist() if self.penalty is not None and calibrated else [0.0] * len(ids)
        rows = zip(ids, angles, penalties, strict=True)
        hits = [self._hit(row, angle, penalty) for row, angle, penalty in rows]
        return Answer(query, tuple(sorted(hits, key=lambda hit: -hit.score)[:k]), calibrated)

    def _hit(self, row: int, angle: float, penalty: float) -> Hit:
        name = self.names[row]
        held_out = not self.held_out.isdisjoint((name, *name.split(", ")))  # of merged candidates, any of them
        return Hit(name, self.titles[row], angle, penalty=penalty, held_out=held_out)


def image_answers(
    images: ImageIndex,
    queries: Sequence[Query],
    k: int,
    titles: Mapping[str, str],
    held_out: frozenset[str] = frozenset(),
) -> list[Answer]:
    """The ``k`` images nearest to each query; a query image is not a result of itself.

    Args:
        queries: at least one query.
        k: results per query; fewer if there are fewer images.
        titles: label name -> title.
        held_out: labels that were held out of training.
    """
    spare = SPARE if any(query.image for query in queries) else 0
    neighbours = images.index.search(np.stack([query.vector for query in queries]), k + spare)
    rows = zip(queries, neighbours.ids.tolist(), neighbours.angles.tolist(), strict=True)
    nearest = [(query, islice(_others(images, query, ids, angles), k)) for query, ids, angles in rows]
    return [
        Answer(query, tuple(_hit(images, image, angle, titles, held_out) for image, angle in others))
        for query, others in nearest
    ]


def _others(images: ImageIndex, query: Query, ids: list[int], angles: list[float]) -> Iterator[tuple[int, float]]:
    """The images with their angles, without copies of the query image."""
    for image_id, angle in zip(ids, angles, strict=True):
        if query.image is None or angle >= SAME_RADIANS or not _is_same(query.image, images.file(image_id)):
            yield image_id, angle


def _hit(images: ImageIndex, image_id: int, angle: float, titles: Mapping[str, str], held_out: frozenset[str]) -> Hit:
    image = images.images[image_id]
    title = titles.get(image.label, image.label)
    return Hit(image.path, title, angle, images.file(image_id), held_out=image.label in held_out)


def _is_same(first: Path, second: Path) -> bool:
    """Whether both paths are the same file, or copies of each other."""
    try:
        if first.samefile(second):
            return True
        return first.stat().st_size == second.stat().st_size and first.read_bytes() == second.read_bytes()
    except OSError:
        return False
