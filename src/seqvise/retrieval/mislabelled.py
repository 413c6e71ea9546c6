"""Images that are likely mislabelled, by confident learning (Northcutt et al. 2021, arXiv:1911.00068).

An image that is merely a little nearer to another label is most often a hard one. It is suspected if it is also at
least as near to that label as the label's own images are on average.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqvise.retrieval.image_index import ImageIndex
from seqvise.retrieval.indexes.nearest import Places, Rows, angles_of

CHUNK = 8192
SAME = 1e-3
"""Radians within which two labels are equally near, as those that share a vector always are."""


@dataclass(frozen=True)
class Suspect:
    """An image that seems to show another label.

    Attributes:
        image: its id.
        label, nearest: its own label, and the nearest.
        own_angle, angle: radians to each.
    """

    image: int
    label: str
    nearest: str
    own_angle: float
    angle: float

    @property
    def excess(self) -> float:
        """Radians by which the image is nearer to the other label."""
        return self.own_angle - self.angle


@dataclass(frozen=True)
class Suspicion:
    """What was found.

    Attributes:
        suspects: the most suspicious first.
        judged: images of the labels of training.
        unseen: how many images have a label that training did not see, by label; '' for images without a label.
    """

    suspects: tuple[Suspect, ...]
    judged: int
    unseen: Mapping[str, int]


def find_suspects(images: ImageIndex, names: Sequence[str], vectors: Rows) -> Suspicion:
    """Images that seem to show another label than theirs, those first whose difference in angle is largest.

    Args:
        images: whose labels are doubted.
        names: L labels that the model was trained on. Images of other labels are not judged: of labels that it never
            saw, the model knows too little.
        vectors: (L, D) theirs, of length 1.
    """
    places = {name: place for place, name in enumerate(names)}
    labels = [image.label for image in images.images.values()]
    own = np.array([places.get(label, -1) for label in labels])
    strangers = [label for label, place in zip(labels, own.tolist(), strict=True) if place < 0]
    rows = np.flatnonzero(own >= 0)
    suspects: list[Suspect] = []
    if len(rows):
        usual = _usual_angles(images.index.vectors, rows, own[rows], vectors)
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            suspects += _suspects(images, part, own[part], names, vectors, usual)
    suspects.sort(key=lambda suspect: -suspect.excess)
    return Suspicion(tuple(suspects), len(rows), {label: strangers.count(label) for label in sorted(set(strangers))})


def _suspects(
    images: ImageIndex, rows: Places, own: Places, names: Sequence[str], vectors: Rows, usual: Rows
) -> Iterator[Suspect]:
    """Those of the rows whose nearest label is another, and not farther than ``usual`` (L,) for that label."""
    angles = _angles(images.index.vectors[rows], vectors)
    nearest, mine = angles.argmin(axis=1), angles[np.arange(len(rows)), own]
    least = angles[np.arange(len(rows)), nearest]
    for place in np.flatnonzero((least < mine - SAME) & (least <= usual[nearest])).tolist():
        image = int(images.index.ids[rows[place]])
        label, other = names[own[place]], names[nearest[place]]
        yield Suspect(image, label, other, float(mine[place]), float(least[place]))


def _usual_angles(table: Rows, rows: Places, own: Places, vectors: Rows) -> Rows:
    """(L,) the mean angle between a label and its images; the mean of all images for a label without one."""
    parts = (slice(start, start + CHUNK) for start in range(0, len(rows), CHUNK))
    cosines = [np.einsum("nd,nd->n", table[rows[part]], vectors[own[part]]) for part in parts]
    angles = angles_of(2 - 2 * np.clip(np.concatenate(cosines), -1, 1))
    counts = np.bincount(own, minlength=len(vectors))
    sums = np.bincount(own, weights=angles, minlength=len(vectors))
    return np.where(counts > 0, sums / np.maximum(counts, 1), angles.mean()).astype(np.float32)


def _angles(rows: Rows, vectors: Rows) -> Rows:
    """(N, L) radians between rows and labels, all of length 1."""
    return angles_of(2 - 2 * np.clip(rows @ vectors.T, -1, 1))
