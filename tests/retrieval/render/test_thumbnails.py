"""Enlarging of tiny images for contact sheets."""

import pytest

from seqvise.retrieval.render.thumbnails import enlarged

Image = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize(("size", "shown"), [((64, 64), (128, 128)), ((20, 49), (60, 147)), ((76, 10), (76, 10))])
def test_tiny_images_are_enlarged_by_an_integer_factor(size: tuple[int, int], shown: tuple[int, int]) -> None:
    assert enlarged(Image.new("RGB", size), 150).size == shown
