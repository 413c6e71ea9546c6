"""Listing of images, their labels and their split into parts."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.errors import UserError
from seqvise.images.listing import NO_LABEL, find_images, held_out_labels, list_folder
from seqvise.images.options import ImageOptions


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return root


def folder(root: Path, labels: int = 4, count: int = 10, part: str = "") -> Path:
    return touch(root, *(f"{part}l{label}/{number}.jpg" for label in range(labels) for number in range(count)))


def test_without_parts_a_tenth_of_each_label_is_for_validation(tmp_path: Path) -> None:
    parts = find_images(ImageOptions(root=str(folder(tmp_path))))
    assert parts.images.names == ("l0", "l1", "l2", "l3")
    assert Counter(parts.images.labels[parts.rows["valid"]].tolist()) == dict.fromkeys(range(4), 1)
    assert Counter(parts.images.labels[parts.rows["train"]].tolist()) == dict.fromkeys(range(4), 9)
    assert sorted(np.concatenate(list(parts.rows.values())).tolist()) == list(range(40))
    for path, label in zip(parts.images.paths, parts.images.labels, strict=True):
        assert path.startswith(f"l{label}/")


def test_the_validation_images_do_not_depend_on_other_images_or_the_root(tmp_path: Path) -> None:
    def set_aside(root: Path) -> set[str]:
        parts = find_images(ImageOptions(root=str(root), valid_fraction=0.3))
        return {parts.images.paths[row] for row in parts.rows["valid"]}

    before = set_aside(folder(tmp_path / "a"))
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert set_aside(tmp_path / "b") == before
    assert set_aside(touch(tmp_path / "b", "new/1.png", "new/2.png")) - before in ({"new/1.png"}, {"new/2.png"})


def test_the_order_of_images_does_not_depend_on_the_validation_split(tmp_path: Path) -> None:
    options = ImageOptions(root=str(folder(tmp_path)))
    lists = [find_images(replace(options, seed=seed, valid_fraction=seed / 10)).images.paths for seed in (1, 2, 3)]
    assert lists[0] == lists[1] == lists[2]
    assert lists[0] == tuple(sorted(lists[0]))


def test_only_images_are_listed_and_subfolders_belong_to_their_label(tmp_path: Path) -> None:
    touch(
        tmp_path, "cat/1.JPEG", "cat/box/2.Png", "cat/notes.txt", "cat/._3.jpg", ".hidden/4.jpg", "dog/5.gif", "6.jpg"
    )
    touch(tmp_path, "dog/7.webp")
    parts = find_images(ImageOptions(root=str(tmp_path)))
    assert sorted(parts.images.paths) == ["cat/1.JPEG", "cat/box/2.Png", "dog/5.gif", "dog/7.webp"]


@pytest.mark.parametrize("valid", ["valid", "val"])
def test_the_imagenet_layout_finds_both_names_of_the_validation_folder(tmp_path: Path, valid: str) -> None:
    touch(tmp_path, "train/n00000002/a.JPEG", "train/n00000001/images/b.JPEG", f"{valid}/n00000001/c.JPEG")
    parts = find_images(ImageOptions(root=str(tmp_path), layout="imagenet"))
    assert parts.images.names == ("n00000001", "n00000002")
    assert parts.images.labels.tolist() == [0, 1, 0]
    assert {part: rows.tolist() for part, rows in parts.rows.items()} == {"train": [0, 1], "valid": [2]}


def test_labels_may_occur_in_validation_only(tmp_path: Path) -> None:
    touch(tmp_path, "train/b/1.jpg", "val/a/2.jpg", "test/c/3.jpg")
    parts = find_images(ImageOptions(root=str(tmp_path), train="train", valid="val", test="test"))
    assert parts.images.names == ("a", "b", "c")
    assert parts.images.labels.tolist() == [1, 0, 2]


def test_a_csv_file_gives_paths_and_labels(tmp_path: Path) -> None:
    touch(tmp_path, "x/1.jpg", "x/2.jpg", "y 3.jpg")
    (tmp_path / "train.csv").write_text('file,kind,size\nx/1.jpg,"cat, small",1\ny 3.jpg,dog,2\n', encoding="utf-8-sig")
    (tmp_path / "valid.csv").write_text("kind,file\ndog,x/2.jpg\n")
    options = ImageOptions(
        root=str(tmp_path), layout="csv", train="train.csv", valid="valid.csv", columns=["file", "kind"]
    )
    parts = find_images(options)
    assert parts.images.paths == ("x/1.jpg", "y 3.jpg", "x/2.jpg")
    assert [parts.images.names[label] for label in parts.images.labels] == ["cat, small", "dog", "dog"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,name\n1.jpg,cat\n", "no column 'label'"),
        ("path,label\n1.jpg,cat\n2.jpg,\n", "line 3: the path or the label is empty"),
        ("path,label\nmissing.jpg,cat\n", "line 2: there is no file"),
        ("path,label\n1.jpg,cat\n1.jpg,cat,dog\n", r"train\.csv, line 3 has 3 fields, but must have 2"),
        ("path,label\n1.jpg\n", "line 2 has 1 field, but must have 2"),
        ("path,label\n", "lists no image"),
        ("", "no column 'path'"),
    ],
)
def test_errors_in_a_csv_file_are_reported_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        find_images(ImageOptions(root=str(tmp_path), layout="csv", train="train.csv"))


def test_rows_with_another_number_of_fields_are_skipped_and_counted_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    (tmp_path / "train.csv").write_text("path,label\n1.jpg,cat\n2.jpg,cat,dog\n\n3.jpg,cat\n2.jpg\n")
    options = ImageOptions(root=str(tmp_path), layout="csv", train="train.csv", on_bad="skip")
    assert find_images(options).images.paths == ("1.jpg", "3.jpg")
    assert "2 rows with another number of fields are skipped" in caplog.text


@pytest.mark.parametrize(
    ("paths", "choices", "message"),
    [
        (("flat.jpg",), {}, "images but no folders"),
        (("cat/notes.txt",), {}, "no image"),
        (("cat/1.jpg",), {"train": "train"}, "data.train is .*, but there is no such folder"),
        (("train/cat/1.jpg",), {"layout": "imagenet"}, "data.layout=folder"),
        (("cat/1.jpg", "dog/1.jpg"), {}, "set data.valid"),
    ],
)
def test_errors_of_a_folder_are_reported(
    tmp_path: Path, paths: tuple[str, ...], choices: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        find_images(ImageOptions(root=str(touch(tmp_path, *paths)), **choices))  # type: ignore[arg-type]


def test_a_missing_root_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.root is .*nowhere"):
        find_images(ImageOptions(root=str(tmp_path / "nowhere")))


def test_the_limit_counts_each_label_and_part(tmp_path: Path) -> None:
    folder(tmp_path, labels=2, count=5, part="train/")
    folder(tmp_path, labels=2, count=1, part="val/")
    parts = find_images(ImageOptions(root=str(tmp_path), train="train", valid="val", limit=2, limit_choice="first"))
    assert parts.images.paths[:4] == ("train/l0/0.jpg", "train/l0/1.jpg", "train/l1/0.jpg", "train/l1/1.jpg")
    assert len(parts.rows["valid"]) == 2


def test_a_larger_limit_keeps_the_images_of_a_smaller_one(tmp_path: Path) -> None:
    folder(tmp_path, labels=3, count=20)
    few, more, other = (
        find_images(ImageOptions(root=str(tmp_path), limit=limit, seed=seed)).images
        for limit, seed in ((4, 0), (9, 0), (4, 1))
    )
    assert np.bincount(few.labels).tolist() == [4, 4, 4]
    assert set(few.paths) < set(more.paths)
    assert list(few.paths) == sorted(few.paths)
    first = {f"l{label}/{number}.jpg" for label in range(3) for number in (0, 1, 10, 11)}
    assert set(few.paths) not in (first, set(other.paths))


def test_held_out_labels_are_only_in_their_own_parts(tmp_path: Path) -> None:
    folder(tmp_path, part="train/")
    folder(tmp_path, count=2, part="val/")
    folder(tmp_path, count=3, part="test/")
    options = ImageOptions(root=str(tmp_path), train="train", valid="val", test="test", held_out=["l2", "l1"])
    split = find_images(options).split(options)
    assert split.held_out.tolist() == [1, 2]
    assert split.seen.tolist() == [0, 3]
    labels = {part: sorted(set(split.images.labels[rows].tolist())) for part, rows in split.rows.items()}
    seen, held_out = [0, 3], [1, 2]
    assert labels == {
        "train": seen,
        "valid": seen,
        "test": seen,
        "valid_held_out": held_out,
        "test_held_out": held_out,
    }
    assert {part: len(rows) for part, rows in split.rows.items()} == {
        "train": 20,
        "valid": 4,
        "test": 6,
        "valid_held_out": 24,
        "test_held_out": 6,
    }


def test_labels_can_be_renumbered_and_left_out(tmp_path: Path) -> None:
    options = ImageOptions(root=str(folder(tmp_path)), held_out=["l0"])
    parts = find_images(options)
    split = parts.split(options, ["l3", "l0", "l1"])
    assert split.images.names == ("l3", "l0", "l1")
    for path, label in zip(split.images.paths, split.images.labels, strict=True):
        assert label == NO_LABEL if path.startswith("l2/") else path.startswith(f"{split.images.names[label]}/")
    assert split.held_out.tolist() == [1]
    assert sorted(set(split.images.labels[split.rows["train"]].tolist())) == [0, 2]
    assert (split.images.labels[split.rows["valid_held_out"]] == 1).all()
    # The images and their order are unchanged: all choices of labels share one feature store.
    assert split.images.paths == parts.images.paths


names = st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=20, unique=True)


@settings(max_examples=50, deadline=None)
@given(names, st.data())
def test_a_draw_depends_on_the_seed_and_the_names_alone(names: list[str], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(names) - 1))
    options = ImageOptions(held_out=count, seed=data.draw(st.integers(0, 5)))
    drawn = {names[label] for label in held_out_labels(options, names)}
    assert len(drawn) == count
    shuffled = data.draw(st.permutations(names))
    assert {shuffled[label] for label in held_out_labels(options, shuffled)} == drawn


def test_seeds_draw_different_labels() -> None:
    names = [str(number) for number in range(80)]
    draws = {tuple(held_out_labels(ImageOptions(held_out=16, seed=seed), names)) for seed in range(5)}
    assert len(draws) == 5


def test_labels_come_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("dog\n\n ant \n")
    assert held_out_labels(ImageOptions(held_out=str(tmp_path / "labels.txt")), ["ant", "bee", "dog"]).tolist() == [
        0,
        2,
    ]


@pytest.mark.parametrize(
    ("held_out", "message"),
    [(["dg"], "no label 'dg'; the nearest is 'dog'"), (3, "all 3 labels"), ("nowhere.txt", "cannot be read")],
)
def test_invalid_held_out_labels_are_refused(held_out: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        held_out_labels(ImageOptions(held_out=held_out), ["ant", "bee", "dog"])


def test_any_folder_is_listed_with_or_without_labels(tmp_path: Path) -> None:
    images = list_folder(touch(tmp_path, "b/2.jpg", "a/x/1.jpg", "0.png"))
    assert images.paths == ("0.png", "a/x/1.jpg", "b/2.jpg")
    assert images.names == ("a", "b")
    assert images.labels.tolist() == [NO_LABEL, 0, 1]
    with pytest.raises(UserError, match="contains no image"):
        list_folder(touch(tmp_path / "c", "text.txt"))


def test_the_digest_depends_on_paths_and_sizes_and_not_on_root_or_labels(tmp_path: Path) -> None:
    images = list_folder(folder(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert replace(images, root=tmp_path / "b", names=(), labels=images.labels * 0).digest() == images.digest()
    (tmp_path / "b/l0/0.jpg").write_bytes(b"another content")
    assert replace(images, root=tmp_path / "b").digest() != images.digest()
    assert images.select(np.arange(3)).digest() != images.digest()


def test_each_real_folder_is_visited_once(tmp_path: Path) -> None:
    """Links to a parent, to a sibling, to themselves, and two links to a folder outside the root."""
    for name in ("photos/sea/1.png", "photos/sea/deep/2.png", "photos/zoo/3.png", "elsewhere/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    root = tmp_path / "photos"
    for name, target in {
        "sea/up": root,
        "sea/deep/down": root / "sea" / "deep",
        "a_link_to_zoo": root / "zoo",
        "other": tmp_path / "elsewhere",
        "second": tmp_path / "elsewhere",
        "loop": root / "loop",
        "loop.png": root / "loop.png",
        "gone": tmp_path / "nowhere",
    }.items():
        (root / name).symlink_to(target)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path)
    (root / "file.png").symlink_to(tmp_path / "elsewhere" / "4.png")
    assert list_folder(root).paths == ("file.png", "other/4.png", "sea/1.png", "sea/deep/2.png", "zoo/3.png")


def test_the_order_is_alphabetical_by_folder(tmp_path: Path) -> None:
    for name in ("a/1.png", "a.png", "a-b/1.png", "B/1.png", "a/b/1.png", "a/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert list_folder(tmp_path).paths == ("B/1.png", "a/1.png", "a/b/1.png", "a/b.png", "a-b/1.png", "a.png")
