"""The built-in pictures: deterministic drawings in a regular image folder."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from seqvise.config.search_path import conf_folder
from seqvise.images.listing import find_images
from seqvise.images.options import ImageOptions
from seqvise.images.synthetic import scene as dataset
from seqvise.images.synthetic.classes import (
    BODIES,
    CLASSES,
    COLOURED,
    COLOURS,
    NAMES,
    PARTS,
    PATTERNED,
    PATTERNS,
    PictureClass,
)
from seqvise.images.synthetic.scene import SIDE, draw_picture, draw_set

pytest.importorskip("PIL")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "PICTURES_PER_CLASS", {"train": 2, "valid": 1, "test": 1})


def pixels(picture_class: PictureClass, seed: str) -> np.ndarray:
    return np.asarray(draw_picture(picture_class, seed), np.int32)


def test_every_quality_of_a_group_is_on_every_thing_of_it() -> None:
    groups = ((PATTERNS, PATTERNED), (PARTS, BODIES), (COLOURS, COLOURED))
    assert (
        {picture_class.name for picture_class in CLASSES}
        == {f"{q}_{t}" for qs, ts in groups for q in qs for t in ts}
        == set(NAMES)
    )
    assert list(NAMES) == sorted(NAMES)
    assert len(NAMES) == 44


def test_qualities_and_things_of_held_out_classes_are_seen_in_other_classes() -> None:
    held_out = yaml.safe_load((conf_folder() / "data" / "pictures.yaml").read_text())["held_out"]
    assert len(held_out) == len(set(held_out)) == 11
    assert set(held_out) <= set(NAMES)
    seen = [picture_class for picture_class in CLASSES if picture_class.name not in held_out]
    assert min(Counter(picture_class.quality for picture_class in seen).values()) >= 3
    assert min(Counter(picture_class.thing for picture_class in seen).values()) >= 2


@pytest.mark.parametrize("picture_class", CLASSES, ids=lambda picture_class: picture_class.name)
def test_a_picture_depends_on_its_seed(picture_class: PictureClass) -> None:
    first = pixels(picture_class, "1")
    assert first.shape == (SIDE, SIDE, 3)
    assert (first == pixels(picture_class, "1")).all()
    assert (first != pixels(picture_class, "2")).any(2).mean() > 0.5


@pytest.mark.parametrize("thing", COLOURED)
@pytest.mark.parametrize(("name", "channel"), [("red", 0), ("blue", 2)])
def test_a_coloured_thing_has_its_colour(thing: str, name: str, channel: int) -> None:
    """More pixels are clearly of that colour than of both other colours together."""
    counts = dict.fromkeys((0, 1, 2), 0)
    for seed in range(12):
        image = pixels(PictureClass(name, thing), f"{seed}")
        for index in counts:
            others = np.delete(image, index, 2).max(2)
            counts[index] += int((image[:, :, index] > others + 70).sum())
    assert counts[channel] > 2 * (sum(counts.values()) - counts[channel])


def test_the_same_scene_with_another_part_differs_where_the_part_is() -> None:
    """Wheels are below the body, and wings are above it."""
    rows = {part: np.mean([_where(part, f"{seed}") for seed in range(30)]) for part in ("wheel", "wing")}
    assert rows["wheel"] > rows["wing"] + 5


def _where(part: str, seed: str) -> float:
    """The mean row of very dark pixels for wheels, or of very light pixels for wings."""
    image = pixels(PictureClass(part, "boat"), seed)
    selected = image.max(2) < 60 if part == "wheel" else image.min(2) > 215
    return float(np.nonzero(selected)[0].mean()) if selected.any() else SIDE / 2


@pytest.mark.usefixtures("few")
def test_the_set_is_a_folder_of_images_by_part_and_label(tmp_path: Path) -> None:
    root = draw_set(tmp_path, seed=3)
    options = ImageOptions(layout="pictures", root=str(root), test="test", held_out=["sail_boat"])
    split = find_images(options).split(options)
    assert split.images.names == NAMES
    assert {part: len(rows) for part, rows in split.rows.items()} == {
        "train": 86,
        "valid": 43,
        "test": 43,
        "valid_held_out": 3,
        "test_held_out": 1,
    }
    contents = {path.read_bytes() for path in root.rglob("*.png")}
    assert len(contents) == 4 * 44, "no duplicates, also not across parts"


@pytest.mark.usefixtures("few")
def test_the_set_is_drawn_once_for_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "CLASSES", [PictureClass("sail", "boat"), PictureClass("red", "bird")])
    root = draw_set(tmp_path, seed=3)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert draw_set(tmp_path, seed=3) == root
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    other = draw_set(tmp_path, seed=4)
    name = "train/sail_boat/000.png"
    assert (root / name).read_bytes() != (other / name).read_bytes()
    assert (root / name).read_bytes() == (draw_set(tmp_path / "elsewhere", seed=3) / name).read_bytes()
