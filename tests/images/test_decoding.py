"""Decoding of all image modes to RGB, and reports of unreadable files."""

from __future__ import annotations

import contextlib
import io
import tracemalloc
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

from seqvise.images import decoding
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
    ("name", "make", "expected"),
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
def test_every_mode_is_converted_to_its_visible_colours(
    tmp_path: Path, name: str, make: Callable[[], Picture], expected: tuple[int, ...]
) -> None:
    make().save(tmp_path / name)
    assert pixel(tmp_path / name) == expected


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I", "I;16", "F"])
def test_large_images_are_downscaled(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "STRIP_PIXELS", 300)
    noise = np.random.default_rng(1).integers(0, 256, (50, 41), np.uint8)
    image = Image.fromarray(noise.astype(np.uint16) * 256) if mode == "I;16" else Image.fromarray(noise).convert(mode)
    path = tmp_path / f"a.{'tiff' if mode in ('CMYK', 'I', 'F') else 'png'}"
    image.save(path)
    whole = decode(path, 50 * 41)
    assert whole.size == (41, 50)
    half, third = decode(path, 50 * 41 - 1), decode(path, 300)
    assert (half.size, third.size) == ((21, 25), (14, 17))
    # Except at odd edges, a pixel is the mean of the pixels it replaces.
    expected = np.asarray(whole, np.float64)[:, :40].reshape(25, 2, 20, 2, 3).mean((1, 3))
    assert np.abs(np.asarray(half, np.float64)[:, :20] - expected).max() <= 1


@pytest.mark.parametrize("orientation", [1, 6])
def test_large_jpegs_are_decoded_at_reduced_size(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    ramp = np.linspace(0, 255, 900).astype(np.uint8)[None].repeat(600, 0)
    Image.fromarray(ramp).convert("RGB").save(tmp_path / "a.jpg", exif=exif)
    small = decode(tmp_path / "a.jpg", 300 * 200)  # a half by the decoder, and half of that
    assert small.size == ((225, 150) if orientation == 1 else (150, 225))
    levels = np.asarray(small, np.float64)[:, :, 0].mean(0 if orientation == 1 else 1)
    assert np.abs(levels - np.linspace(0, 255, 225)).max() < 6


@pytest.mark.parametrize("kind", ["I", "F", "I;16"])
def test_results_do_not_depend_on_strips(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "STRIP_PIXELS", 7)
    values = np.random.default_rng(2).integers(0, 65_536, (9, 5))
    path = tmp_path / "a.tiff"
    Image.fromarray(values.astype({"I": np.int32, "F": np.float32, "I;16": np.uint16}[kind])).save(path)
    np.testing.assert_array_equal(np.asarray(decode(path))[:, :, 0], values // 256)


def test_a_grey_image_of_sixteen_bits_takes_little_memory(tmp_path: Path) -> None:
    Image.new("I;16", (4000, 4000), 0x4080).save(tmp_path / "a.png")
    tracemalloc.start()
    assert decode(tmp_path / "a.png").size == (4000, 4000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000  # of NumPy; Pillow uses two bytes per pixel, then one, then four


def test_the_first_frame_of_an_animation_is_used(tmp_path: Path) -> None:
    red, blue = solid("RGB", (255, 0, 0)), solid("RGB", (0, 0, 255))
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    assert pixel(tmp_path / "a.gif") == (255, 0, 0)


def test_the_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left
    image.save(tmp_path / "turned.png", exif=exif)
    decoded = np.asarray(decode(tmp_path / "turned.png"))[:, :, 0]
    np.testing.assert_array_equal(decoded, np.rot90(np.asarray(image), -1))


def jpeg() -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"no image at all", "not an image format that Pillow supports"),
        (jpeg()[:900], "truncated"),
        (jpeg()[:20], "not an image format that Pillow supports|truncated|cannot"),
    ],
)
def test_files_that_are_not_images_are_reported(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(BadImageError, match=reason):
        decode(tmp_path / "a.jpg")


def test_a_missing_file_and_a_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match="No such file"):
        decode(tmp_path / "nowhere.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(BadImageError):
        decode(tmp_path / "folder.jpg")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"]), st.data())
def test_a_damaged_file_is_decoded_or_reported(
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
