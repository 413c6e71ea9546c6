"""Images made fit for a sheet."""

import pytest

from seqvise.retrieval.render.thumbnails import enlarged

Image = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize(("size", "shown"), [((64, 64), (128, 128)), ((20, 49), (60, 147)), ((76, 10), (76, 10))])
def test_tiny_images_are_enlarged_by_a_whole_number(size: tuple[int, int], shown: tuple[int, int]) -> None:
    assert enlarged(Image.new("RGB", size), 150).size == shown
