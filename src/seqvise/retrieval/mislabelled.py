"""Detection of mislabelled images, by confident learning (Northcutt et al. 2021, arXiv:1911.00068).

An image that is only slightly nearer to another label is most often a hard example. It is a suspect if it is also at
least as near to that label as that label's images are on average.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqvise.retrieval.image_index import ImageIndex
from seqvise.retrieval.indexes.nearest import RowIndices, Rows, angles_of

CHUNK = 8192
TIE_RADIANS = 1e-3
"""Tolerance in radians within which two labels are equally near, for example if they share a vector."""


@dataclass(frozen=True)
class Suspect:
    """An image that is likely mislabelled.

    Attributes:
        label, nearest: its label, and the nearest label.
        own_angle, angle: radians to its label, and to the nearest label.
    """

    image: int
    label: str
    nearest: str
    own_angle: float
    angle: float

    @property
    def excess(self) -> float:
        """Radians by which the image is nearer to the nearest label than to its own."""
        return self.own_angle - self.angle


@dataclass(frozen=True)
class SuspectReport:
    """Result of ``find_suspects``.

    Attributes:
        suspects: sorted by excess, largest first.
        judged: number of images whose label was seen in training.
        unseen: label not seen in training -> number of its images; '' for images without a label.
    """

    suspects: tuple[Suspect, ...]
    judged: int
    unseen: Mapping[str, int]


def find_suspects(images: ImageIndex, names: Sequence[str], vectors: Rows) -> SuspectReport:
    """Finds images that are likely mislabelled, sorted by their difference in angle, largest first.

    Args:
        images: the labelled images.
        names: the L labels seen in training. Images of other labels are not judged, since the model is unreliable for
            them.
        vectors: (L, D) unit vectors of the labels.
    """
    label_ids = {name: label_id for label_id, name in enumerate(names)}
    labels = [image.label for image in images.images.values()]
    image_labels = np.array([label_ids.get(label, -1) for label in labels])
    unseen = [label for label, label_id in zip(labels, image_labels.tolist(), strict=True) if label_id < 0]
    rows = np.flatnonzero(image_labels >= 0)
    suspects: list[Suspect] = []
    if len(rows):
        mean_angles = _mean_angles(images.index.vectors, rows, image_labels[rows], vectors)
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            suspects += _suspects(images, part, image_labels[part], names, vectors, mean_angles)
    suspects.sort(key=lambda suspect: -suspect.excess)
    return SuspectReport(tuple(suspects), len(rows), {label: unseen.count(label) for label in sorted(set(unseen))})


def _suspects(
    images: ImageIndex,
    rows: RowIndices,
    image_labels: RowIndices,
    names: Sequence[str],
    vectors: Rows,
    mean_angles: Rows,
) -> Iterator[Suspect]:
    """Rows whose nearest label is another one, within the mean angle (L,) of that label's images."""
    angles = angles_of(2 - 2 * np.clip(images.index.vectors[rows] @ vectors.T, -1, 1))  # (N, L) radians
    nearest, own_angles = angles.argmin(axis=1), angles[np.arange(len(rows)), image_labels]
    nearest_angles = angles[np.arange(len(rows)), nearest]
    for number in np.flatnonzero(
        (nearest_angles < own_angles - TIE_RADIANS) & (nearest_angles <= mean_angles[nearest])
    ).tolist():
        image = int(images.index.ids[rows[number]])
        label, other = names[image_labels[number]], names[nearest[number]]
        yield Suspect(image, label, other, float(own_angles[number]), float(nearest_angles[number]))


def _mean_angles(table: Rows, rows: RowIndices, image_labels: RowIndices, vectors: Rows) -> Rows:
    """(L,) the mean angle between a label and its images; for a label without images, the mean of all images."""
    parts = (slice(start, start + CHUNK) for start in range(0, len(rows), CHUNK))
    cosines = [np.einsum("nd,nd->n", table[rows[part]], vectors[image_labels[part]]) for part in parts]
    angles = angles_of(2 - 2 * np.clip(np.concatenate(cosines), -1, 1))
    counts = np.bincount(image_labels, minlength=len(vectors))
    sums = np.bincount(image_labels, weights=angles, minlength=len(vectors))
    return np.where(counts > 0, sums / np.maximum(counts, 1), angles.mean()).astype(np.float32)
