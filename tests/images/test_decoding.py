"""Whatever a folder holds becomes red, green and blue, or is told."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from PIL import Image
    from PIL.Image import Image as Picture
else:
    Image = pytest.importorskip("PIL.Image")

from seqvise.images.decoding import BadImageError, decode


def pixel(path: Path) -> tuple[int, ...]:
    image = decode(path)
    assert image.mode == "RGB"
    return tuple(np.asarray(image)[0, 0].tolist())


def solid(mode: str, colour: object) -> Picture:
    return Image.new(mode, (6, 4), colour)  # type: ignore[arg-type]


def sixteen_bits() -> Picture:
    return Image.fromarray(np.full((4, 6), 0x8040, np.uint16))


def palette(transparent: bool) -> Picture:
    image = solid("P", 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    if transparent:
        image.info["transparency"] = 1
    return image


@pytest.mark.parametrize(
    ("name", "make", "wanted"),
    [
        ("rgb.png", lambda: solid("RGB", (1, 2, 3)), (1, 2, 3)),
        ("grey.png", lambda: solid("L", 77), (77, 77, 77)),
        ("bits.png", lambda: solid("1", 1), (255, 255, 255)),
        ("sixteen.png", sixteen_bits, (0x80, 0x80, 0x80)),
        ("sixteen.tiff", sixteen_bits, (0x80, 0x80, 0x80)),
        ("dark sixteen.png", lambda: Image.fromarray(np.full((4, 6), 200, np.uint16)), (0, 0, 0)),
        ("float.tiff", lambda: solid("F", 100.4), (100, 100, 100)),
        ("palette.png", lambda: palette(False), (10, 200, 30)),
        ("see-through palette.png", lambda: palette(True), (255, 255, 255)),
        ("alpha.png", lambda: solid("RGBA", (200, 100, 0, 51)), (244, 224, 204)),
        ("grey alpha.png", lambda: solid("LA", (0, 0)), (255, 255, 255)),
        ("cmyk.tiff", lambda: solid("CMYK", (255, 0, 0, 0)), (0, 255, 255)),
        ("cmyk.jpg", lambda: solid("CMYK", (0, 0, 0, 0)), (255, 255, 255)),
    ],
)
def test_every_mode_becomes_the_colours_that_one_sees(
    tmp_path: Path, name: str, make: Callable[[], Picture], wanted: tuple[int, ...]
) -> None:
    make().save(tmp_path / name)
    assert pixel(tmp_path / name) == wanted


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    red, blue = solid("RGB", (255, 0, 0)), solid("RGB", (0, 0, 255))
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    assert pixel(tmp_path / "a.gif") == (255, 0, 0)


def test_an_image_is_turned_as_its_camera_was(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left
    image.save(tmp_path / "turned.png", exif=exif)
    found = np.asarray(decode(tmp_path / "turned.png"))[:, :, 0]
    np.testing.assert_array_equal(found, np.rot90(np.asarray(image), -1))


def jpeg() -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"no image at all", "no image that Pillow knows"),
        (jpeg()[:900], "truncated"),
        (jpeg()[:20], "no image that Pillow knows|truncated|cannot"),
    ],
)
def test_what_is_no_image_is_told(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(BadImageError, match=reason):
        decode(tmp_path / "a.jpg")


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match="No such file"):
        decode(tmp_path / "nowhere.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(BadImageError):
        decode(tmp_path / "folder.jpg")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"]), st.data())
def test_a_damaged_file_is_an_image_or_told_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (9, 9, 3)).astype(np.uint8)).save(file, kind)
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "image"
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    with contextlib.suppress(BadImageError):
        assert decode(path).mode == "RGB"
