"""The built-in pictures: what is drawn, always the same, in a folder of images like any other."""

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
    monkeypatch.setattr(dataset, "EACH", {"train": 2, "valid": 1, "test": 1})


def pixels(shown: PictureClass, seed: str) -> np.ndarray:
    return np.asarray(draw_picture(shown, seed), np.int32)


def test_every_quality_of_a_group_is_on_every_thing_of_it() -> None:
    groups = ((PATTERNS, PATTERNED), (PARTS, BODIES), (COLOURS, COLOURED))
    assert {one.name for one in CLASSES} == {f"{q}_{t}" for qs, ts in groups for q in qs for t in ts} == set(NAMES)
    assert list(NAMES) == sorted(NAMES)
    assert len(NAMES) == 44


def test_of_what_is_held_out_every_quality_and_every_thing_is_seen_in_other_classes() -> None:
    held_out = yaml.safe_load((conf_folder() / "data" / "pictures.yaml").read_text())["held_out"]
    assert len(held_out) == len(set(held_out)) == 11
    assert set(held_out) <= set(NAMES)
    seen = [one for one in CLASSES if one.name not in held_out]
    assert min(Counter(one.quality for one in seen).values()) >= 3
    assert min(Counter(one.thing for one in seen).values()) >= 2


@pytest.mark.parametrize("shown", CLASSES, ids=lambda one: one.name)
def test_a_picture_is_that_of_its_seed(shown: PictureClass) -> None:
    first = pixels(shown, "1")
    assert first.shape == (SIDE, SIDE, 3)
    assert (first == pixels(shown, "1")).all()
    assert (first != pixels(shown, "2")).any(2).mean() > 0.5


@pytest.mark.parametrize("thing", COLOURED)
@pytest.mark.parametrize(("name", "channel"), [("red", 0), ("blue", 2)])
def test_a_coloured_thing_has_its_colour(thing: str, name: str, channel: int) -> None:
    """More of the picture is clearly of that colour than of the two other ones' together."""
    counts = dict.fromkeys((0, 1, 2), 0)
    for seed in range(12):
        image = pixels(PictureClass(name, thing), f"{seed}")
        for one in counts:
            others = np.delete(image, one, 2).max(2)
            counts[one] += int((image[:, :, one] > others + 70).sum())
    assert counts[channel] > 2 * (sum(counts.values()) - counts[channel])


def test_the_same_scene_with_another_part_differs_where_the_part_is() -> None:
    """Wheels are below the body and wings are above it."""
    rows = {part: np.mean([_where(part, f"{seed}") for seed in range(30)]) for part in ("wheel", "wing")}
    assert rows["wheel"] > rows["wing"] + 5


def _where(part: str, seed: str) -> float:
    """The mean row of what is very dark or very light, as wheels and wings are."""
    image = pixels(PictureClass(part, "boat"), seed)
    chosen = image.max(2) < 60 if part == "wheel" else image.min(2) > 215
    return float(np.nonzero(chosen)[0].mean()) if chosen.any() else SIDE / 2


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
    assert len(contents) == 4 * 44, "no picture is there twice, in another part neither"


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
