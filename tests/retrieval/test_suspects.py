"""Images that lie nearer to another label."""

from pathlib import Path

import numpy as np
import pytest

from seqvise.retrieval.collection import Binding, ImageIndex, IndexedImage
from seqvise.retrieval.exact import ExactIndex
from seqvise.retrieval.suspects import find_suspects


def test_the_most_suspicious_come_first_with_their_angles() -> None:
    degrees = np.deg2rad([5, 80, 50, 44, 20])
    vectors = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    labels = ["east", "east", "east", "east", ""]
    images = {10 + row: IndexedImage(f"{row}.png", label) for row, label in enumerate(labels)}
    index = ExactIndex(vectors, np.arange(10, 15))
    found = find_suspects(
        ImageIndex(Path(), images, index, "exact", Binding("", "", "")),
        ["north", "east"],
        np.array([[0, 1], [1, 0]], np.float32),
    )
    assert [one.image for one in found.suspects] == [11, 12]
    first = found.suspects[0]
    assert (first.label, first.nearest) == ("east", "north")
    assert np.rad2deg([first.own_angle, first.angle, first.excess]) == pytest.approx([80, 10, 70], abs=1e-3)
    assert (found.judged, found.unknown) == (4, {"": 1})
