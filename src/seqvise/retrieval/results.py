"""What a search finds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from seqvise.retrieval.image_index import ImageIndex
from seqvise.retrieval.indexes.exact import ExactIndex
from seqvise.retrieval.indexes.nearest import Rows
from seqvise.retrieval.queries import Query

SPARE = 10
"""Answers looked for beyond those wanted, for copies of the query that are left out."""
SAME = 1e-3
"""Radians within which an image may be the query itself."""


@dataclass(frozen=True)
class Hit:
    """Something found.

    Attributes:
        name: the path of an image below its root, or the name of a class or synset.
        title: what a person reads: an image's label, or the words of a class or synset; may be empty.
        angle: to the query, in radians.
        file: of an image.
        handicap: taken off the cosine for the score, by the run's calibration.
    """

    name: str
    title: str
    angle: float
    file: Path | None = None
    handicap: float = 0.0

    @property
    def cosine(self) -> float:
        """To the query, from 1 down to -1."""
        return math.cos(self.angle)

    @property
    def score(self) -> float:
        """What answers are ranked by: the cosine, less the handicap."""
        return self.cosine - self.handicap


@dataclass(frozen=True)
class Answer:
    """A query and what was found for it, the highest score first.

    Attributes:
        query: an image, or words.
        hits: the answers to it.
        calibrated: whether scores are other than cosines.
    """

    query: Query
    hits: tuple[Hit, ...]
    calibrated: bool = False

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
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
                **({"file": str(hit.file)} if hit.file else {}),
            }
            for rank, hit in enumerate(self.hits, 1)
        ]
        return {**query, "notes": list(self.query.notes), "hits": hits}


@dataclass(frozen=True, eq=False)
class Candidates:
    """Classes or synsets that can be found.

    Attributes:
        names, titles: what each is called, and how a person reads it.
        vectors: (C, D), of length 1.
        handicap: (C,) taken off the cosines to an image; None for nothing.
    """

    names: Sequence[str]
    titles: Sequence[str]
    vectors: Rows
    handicap: Rows | None = None

    @classmethod
    def of(cls, names: Sequence[str], titles: Sequence[str], vectors: Rows) -> Self:
        """The candidates, those with one title and one vector as one, whose name holds all of theirs."""
        alike: dict[tuple[str, bytes], list[int]] = {}
        for row, title in enumerate(titles):
            alike.setdefault((title, vectors[row].tobytes()), []).append(row)
        rows = [group[0] for group in alike.values()]
        together = [", ".join(names[row] for row in group) for group in alike.values()]
        return cls(together, [titles[row] for row in rows], vectors[rows])

    def answers(self, queries: Sequence[Query], k: int) -> list[Answer]:
        """The ``k`` of highest score to each query, or all where there are fewer.

        The handicap counts for images alone: words lie no nearer to labels that training saw.
        """
        index = ExactIndex(self.vectors, np.arange(len(self.names)))
        nearest = index.search(
            np.stack([query.vector for query in queries]), k if self.handicap is None else len(index)
        )
        rows = zip(queries, nearest.ids.tolist(), nearest.angles.tolist(), strict=True)
        return [self._answer(query, ids, angles, k) for query, ids, angles in rows]

    def _answer(self, query: Query, ids: list[int], angles: list[float], k: int) -> Answer:
        calibrated = self.handicap is not None and query.image is not None
        handicaps = self.handicap[ids].tolist() if self.handicap is not None and calibrated else [0.0] * len(ids)
        rows = zip(ids, angles, handicaps, strict=True)
        hits = [Hit(self.names[row], self.titles[row], angle, handicap=handicap) for row, angle, handicap in rows]
        return Answer(query, tuple(sorted(hits, key=lambda hit: -hit.score)[:k]), calibrated)


def image_answers(images: ImageIndex, queries: Sequence[Query], k: int, titles: dict[str, str]) -> list[Answer]:
    """The ``k`` images nearest to each query; an image that is looked for is not an answer to itself.

    Args:
        images: all that can be found.
        queries: at least one.
        k: how many; fewer where there are fewer images.
        titles: of labels, by their names.
    """
    spare = SPARE if any(query.image for query in queries) else 0
    found = images.index.search(np.stack([query.vector for query in queries]), k + spare)
    rows = zip(queries, found.ids.tolist(), found.angles.tolist(), strict=True)
    return [Answer(query, tuple(_hits(images, query, ids, far, titles))[:k]) for query, ids, far in rows]


def _hits(
    images: ImageIndex, query: Query, ids: list[int], angles: list[float], titles: dict[str, str]
) -> Iterator[Hit]:
    for one, angle in zip(ids, angles, strict=True):
        image, file = images.images[one], images.file(one)
        if query.image is not None and angle < SAME and _is_same(query.image, file):
            continue
        yield Hit(image.path, titles.get(image.label, image.label), angle, file)


def _is_same(first: Path, second: Path) -> bool:
    """Whether both are one file, or copies of each other."""
    try:
        if first.samefile(second):
            return True
        return first.stat().st_size == second.stat().st_size and first.read_bytes() == second.read_bytes()
    except OSError:
        return False
