"""Images that lie nearer to another label than to their own, which are likely mislabelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqvise.retrieval.collection import ImageIndex
from seqvise.retrieval.vectors import Rows, angles_of

CHUNK = 8192


@dataclass(frozen=True)
class Suspect:
    """An image whose nearest label is not its own.

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
        judged: images whose label has a vector.
        unknown: how many images have a label without a vector, by label; '' for images without a label.
    """

    suspects: tuple[Suspect, ...]
    judged: int
    unknown: Mapping[str, int]


def find_suspects(images: ImageIndex, names: Sequence[str], vectors: Rows) -> Suspicion:
    """Images that are nearer to another label than to their own, those first whose difference in angle is largest.

    Args:
        images: whose labels are doubted.
        names: L labels.
        vectors: (L, D) theirs, of length 1.
    """
    places = {name: place for place, name in enumerate(names)}
    labels = [image.label for image in images.images.values()]
    own = np.array([places.get(label, -1) for label in labels])
    strangers = [label for label, place in zip(labels, own.tolist(), strict=True) if place < 0]
    rows = np.flatnonzero(own >= 0)
    found: list[Suspect] = []
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        angles = angles_of(2 - 2 * np.clip(images.index.vectors[part] @ vectors.T, -1, 1))
        nearest, mine = angles.argmin(axis=1), angles[np.arange(len(part)), own[part]]
        for place in np.flatnonzero(nearest != own[part]).tolist():
            label, other = names[own[part[place]]], int(nearest[place])
            image = int(images.index.ids[part[place]])
            found.append(Suspect(image, label, names[other], float(mine[place]), float(angles[place, other])))
    found.sort(key=lambda one: -one.excess)
    return Suspicion(tuple(found), len(rows), {label: strangers.count(label) for label in sorted(set(strangers))})
