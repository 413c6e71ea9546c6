"""Images among words, as TensorBoard gets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqvise.callbacks.image_board import NEAREST, SIDE, WORD, nearest_images, projection, query_grid
from seqvise.tasks.samples import EmbeddedImages


def placed(folder: Path) -> EmbeddedImages:
    words = np.eye(3, 4, dtype=np.float32)
    vectors = np.array([[0, 1, 0, 0], [0.8, 0.6, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float32)
    files = [folder / f"{row}.png" for row in range(4)]
    return EmbeddedImages(("cat", "dog", "cow"), words, vectors, np.array([1, 0, 0, 1]), files)


def test_images_are_ranked_by_cosine(tmp_path: Path) -> None:
    assert nearest_images(placed(tmp_path), 0, 2).tolist() == [2, 1]
    assert nearest_images(placed(tmp_path), 1, 9).tolist() == [0, 1, 2, 3]


def test_the_projector_gets_words_and_a_bounded_number_of_images(tmp_path: Path) -> None:
    vectors, rows = projection(placed(tmp_path), limit=3)
    assert vectors.shape == (3 + 3, 4)
    assert rows == [
        ["cat", "word"],
        ["dog", "word"],
        ["cow", "word"],
        ["dog", "image"],
        ["cat", "image"],
        ["dog", "image"],
    ]


def test_a_frame_is_green_around_an_image_of_the_label(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    found = placed(tmp_path)
    for row, file in enumerate(found.files):
        image.new("RGB", (40, 30), (10 * row, 0, 200)).save(file)
    grid = query_grid(found, 8)
    assert grid.shape == (2 * SIDE, WORD + NEAREST * SIDE, 3)
    frames = [grid[0, WORD + column * SIDE].tolist() for column in range(4)]
    green, red = [0, 128, 0], [255, 0, 0]
    assert frames == [green, green, red, red]
    assert grid[SIDE // 2, WORD + SIDE // 2].tolist() == pytest.approx([20, 0, 200], abs=2)


def test_the_queries_are_written_beside_their_rows(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image")
    grid = query_grid(placed(tmp_path), 8)[:, :WORD]
    assert (grid[:SIDE] < 100).any()
    assert (grid[SIDE:] < 100).any()
    assert (grid[:, -2:] == 255).all()
