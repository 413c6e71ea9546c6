"""Images and words in TensorBoard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqvise.callbacks.image_board import NEAREST_COUNT, TILE_SIZE, TITLE_WIDTH, nearest_images, projection, query_grid
from seqvise.tasks.samples import EmbeddedImages


def embedded_images(folder: Path) -> EmbeddedImages:
    words = np.eye(3, 4, dtype=np.float32)
    vectors = np.array([[0, 1, 0, 0], [0.8, 0.6, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float32)
    files = [folder / f"{row}.png" for row in range(4)]
    return EmbeddedImages(("cat", "dog", "cow"), words, vectors, np.array([1, 0, 0, 1]), files)


def test_images_are_ranked_by_cosine(tmp_path: Path) -> None:
    assert nearest_images(embedded_images(tmp_path), 0, 2).tolist() == [2, 1]
    assert nearest_images(embedded_images(tmp_path), 1, 9).tolist() == [0, 1, 2, 3]


def test_the_projector_gets_words_and_a_bounded_number_of_images(tmp_path: Path) -> None:
    vectors, rows = projection(embedded_images(tmp_path), limit=3)
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
    embedded = embedded_images(tmp_path)
    for row, file in enumerate(embedded.files):
        image.new("RGB", (40, 30), (10 * row, 0, 200)).save(file)
    grid = query_grid(embedded, 8)
    assert grid.shape == (2 * TILE_SIZE, TITLE_WIDTH + NEAREST_COUNT * TILE_SIZE, 3)
    frames = [grid[0, TITLE_WIDTH + column * TILE_SIZE].tolist() for column in range(4)]
    green, red = [0, 128, 0], [255, 0, 0]
    assert frames == [green, green, red, red]
    assert grid[TILE_SIZE // 2, TITLE_WIDTH + TILE_SIZE // 2].tolist() == pytest.approx([20, 0, 200], abs=2)


def test_queries_are_the_titles_of_their_rows(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image")
    grid = query_grid(embedded_images(tmp_path), 8)[:, :TITLE_WIDTH]
    assert (grid[:TILE_SIZE] < 100).any()
    assert (grid[TILE_SIZE:] < 100).any()
    assert (grid[:, -2:] == 255).all()
