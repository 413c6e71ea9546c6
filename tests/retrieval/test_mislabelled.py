"""Mislabelled images: hand-made examples, and labels swapped at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqvise.retrieval.image_index import Binding, ImageIndex, IndexedImage
from seqvise.retrieval.indexes.exact import ExactIndex
from seqvise.retrieval.mislabelled import SuspectReport, find_suspects


def index_of(vectors: np.ndarray, labels: list[str]) -> ImageIndex:
    """An index whose images have the ids 10, 11, ..."""
    images = {10 + row: IndexedImage(f"{row}.png", label) for row, label in enumerate(labels)}
    table = ExactIndex(vectors.astype(np.float32), np.arange(10, 10 + len(labels)))
    return ImageIndex(Path(), images, table, "exact", Binding("", "", ""))


def suspects_at(images: list[tuple[float, str]], *labels: tuple[str, float]) -> SuspectReport:
    """The suspects among images and labels at the given degrees on a circle."""
    degrees, names = zip(*images, strict=True)
    radians = [np.deg2rad([*degrees]), np.deg2rad([degree for _, degree in labels])]
    points, vectors = (np.stack([np.cos(angles), np.sin(angles)], axis=1) for angles in radians)
    return find_suspects(index_of(points, list(names)), [name for name, _ in labels], vectors.astype(np.float32))


def test_a_suspect_is_as_near_to_another_label_as_the_labels_own_images() -> None:
    north = [(85, "north"), (95, "north"), (80, "north")]  # 20 / 3 degrees away on average
    east = [(5, "east"), (50, "east"), (82, "east"), (84, "east"), (91, "east")]
    judged = suspects_at([*north, *east, (88, "")], ("north", 90), ("east", 0))
    assert [suspect.image for suspect in judged.suspects] == [17, 16]
    first = judged.suspects[0]
    assert (first.label, first.nearest) == ("east", "north")
    assert np.rad2deg([first.own_angle, first.angle, first.excess]) == pytest.approx([91, 1, 90], abs=1e-3)
    assert (judged.judged, judged.unseen) == (8, {"": 1})


def test_a_label_without_images_uses_the_mean_of_all() -> None:
    images = [(10.0, "east"), (-10.0, "east"), (70.0, "east")]  # 30 degrees away on average
    assert [suspect.image for suspect in suspects_at(images, ("east", 0), ("north", 90)).suspects] == [12]
    assert suspects_at(images, ("east", 0), ("north", 105)).suspects == ()


def test_labels_that_share_a_vector_are_not_confused() -> None:
    images = [(2.0, "crocodile"), (3.0, "crocodile_head"), (-2.0, "crocodile_head")]
    assert suspects_at(images, ("crocodile", 0), ("crocodile_head", 0)).suspects == ()


def test_images_of_unseen_labels_are_counted_and_not_judged() -> None:
    judged = suspects_at([(0, "east"), (1, "west"), (2, "west")], ("east", 0))
    assert (judged.suspects, judged.judged, judged.unseen) == ((), 1, {"west": 2})
    assert suspects_at([(1, "west")], ("east", 0)).judged == 0


@pytest.mark.parametrize("noise", [0.15, 0.2])
def test_swapped_labels_rank_first_and_few_clean_ones_are_suspects(noise: float) -> None:
    shares, listed, nearer = [], [], []
    for seed in range(5):
        draws = np.random.default_rng(seed)
        labels = np.linalg.qr(draws.normal(size=(30, 30)))[0].astype(np.float32)
        true_labels = np.repeat(np.arange(30), 40)
        vectors = labels[true_labels] + noise * draws.normal(size=(1200, 30))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        names = [f"label{number}" for number in range(30)]
        swapped = draws.choice(1200, 60, replace=False)
        noisy_labels = true_labels.copy()
        noisy_labels[swapped] = (true_labels[swapped] + draws.integers(1, 30, 60)) % 30
        judged = find_suspects(index_of(vectors, [names[label] for label in noisy_labels]), names, labels)
        first = [suspect.image - 10 for suspect in judged.suspects[:20]]
        shares.append(np.isin(first, swapped).mean())
        clean = find_suspects(index_of(vectors, [names[label] for label in true_labels]), names, labels)
        listed.append(len(clean.suspects))
        nearer.append(((vectors @ labels.T).argmax(1) != true_labels).sum())
    assert np.mean(shares) >= 0.9
    assert sum(listed) <= 0.1 * sum(nearer)
