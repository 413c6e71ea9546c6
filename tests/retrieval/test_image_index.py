"""Saved indexes: bound to their model, updated, and refused when damaged."""

import json
import shutil
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from seqvise.errors import UserError
from seqvise.files import digest_file
from seqvise.images.listing import ImageList, list_folder
from seqvise.retrieval.image_index import (
    MANIFEST,
    Binding,
    Embedded,
    ImageIndex,
    _hash,
    build_index,
    with_folder_labels,
)
from seqvise.retrieval.indexes.base import find_kind
from seqvise.retrieval.options import KINDS, PACKAGES, GraphOptions
from tests.earlier import EARLIER
from tests.retrieval.vectors import clustered

BINDING = Binding("abc", "any", "runs/one")
OTHER = Binding("def", "any", "runs/two")


def folder_of(root: Path, names: list[str]) -> ImageList:
    """Creates files and lists them as images."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return list_folder(root)


class Embedding:
    """Vectors determined by image paths; records the requested images, and cannot read those named bad."""

    def __init__(self) -> None:
        self.requested: list[str] = []

    def __call__(self, images: ImageList) -> Embedded:
        self.requested += images.paths
        good = np.array([row for row, path in enumerate(images.paths) if "bad" not in path], np.int64)
        faults = tuple(f"{path}: broken" for path in images.paths if "bad" in path)
        seeds = [crc32(path.encode()) for path in images.paths]
        vectors = np.concatenate([clustered(1, 8, 1, seed=seed) for seed in seeds])
        return Embedded(vectors[good], good, faults)


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    return folder_of(tmp_path / "images", [f"{label}/{number}.png" for label in "ab" for number in range(6)])


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_is_saved_and_loaded_unchanged(kind: str, images: ImageList, tmp_path: Path) -> None:
    if kind in PACKAGES:
        pytest.importorskip(PACKAGES[kind][0])
    index, changes = build_index(images, Embedding(), BINDING, kind, options=GraphOptions(threads=1))
    assert (changes.added, changes.removed, changes.kept, changes.faults) == (12, 0, 0, ())
    index.save(tmp_path / "index")
    loaded = ImageIndex.load(tmp_path / "index", BINDING)
    assert (loaded.kind, loaded.binding, loaded.root, loaded.recall) == (kind, BINDING, images.root, index.recall)
    assert set(loaded.recall) == (set() if kind == "exact" else {"images"})
    assert loaded.images == index.images
    assert [(image.path, image.label) for image in loaded.images.values()][:2] == [("a/0.png", "a"), ("a/1.png", "a")]
    np.testing.assert_array_equal(loaded.index.vectors, index.index.vectors)
    query = clustered(3, 8, 1, seed=5)
    np.testing.assert_array_equal(loaded.index.search(query, 4).ids, index.index.search(query, 4).ids)


def test_another_model_and_another_policy_are_refused(images: ImageList, tmp_path: Path) -> None:
    build_index(images, Embedding(), BINDING, "exact")[0].save(tmp_path / "index")
    with pytest.raises(UserError, match=r"made by another model \(of runs/one, abc; here it is def\)"):
        ImageIndex.load(tmp_path / "index", OTHER)
    with pytest.raises(UserError, match="policy 'any', but runs/one has 'mean'"):
        ImageIndex.load(tmp_path / "index", Binding("abc", "mean", "runs/one"))


@pytest.mark.parametrize("name", ["vectors.npy", "images.json", "manifest.json", "index.nmslib"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damage_of_any_file_is_refused(name: str, damage: str, images: ImageList, tmp_path: Path) -> None:
    pytest.importorskip("nmslib")
    folder = tmp_path / "index"
    build_index(images, Embedding(), BINDING, "nmslib", options=GraphOptions(threads=1))[0].save(folder)
    content = (folder / name).read_bytes()
    half = len(content) // 2
    if damage == "gone":
        (folder / name).unlink()
    else:
        flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
        (folder / name).write_bytes(content[:half] if damage == "cut" else flipped)
    with pytest.raises(UserError, match=r"damaged|is not an index"):
        ImageIndex.load(folder, BINDING)


def test_a_manifest_that_was_edited_is_refused(images: ImageList, tmp_path: Path) -> None:
    build_index(images, Embedding(), BINDING, "exact")[0].save(tmp_path / "index")
    path = tmp_path / "index" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["binding"]["model"] = "def"
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"manifest.json differs from what was written"):
        ImageIndex.load(tmp_path / "index", OTHER)


def test_moved_images_are_found_in_their_new_folder(images: ImageList, tmp_path: Path) -> None:
    build_index(images, Embedding(), BINDING, "exact")[0].save(tmp_path / "index")
    images.root.rename(tmp_path / "moved")
    with pytest.raises(UserError, match="does not exist: set images= to the folder"):
        ImageIndex.load(tmp_path / "index", BINDING)
    with pytest.raises(UserError, match="images=nowhere: there is no such folder"):
        ImageIndex.load(tmp_path / "index", BINDING, Path("nowhere"))
    loaded = ImageIndex.load(tmp_path / "index", BINDING, tmp_path / "moved")
    assert loaded.file(0) == tmp_path / "moved" / "a" / "0.png"


@pytest.mark.parametrize("kind", ["exact", "faiss"])
def test_only_new_images_are_embedded(kind: str, images: ImageList) -> None:
    if kind in PACKAGES:
        pytest.importorskip(PACKAGES[kind][0])
    first, _ = build_index(images, Embedding(), BINDING, kind)
    (images.root / "a" / "0.png").unlink()
    (images.root / "b" / "1.png").write_bytes(b"another content")
    changed = folder_of(images.root, ["b/new.png"])
    embedding = Embedding()
    second, changes = build_index(changed, embedding, BINDING, kind, first)
    assert sorted(embedding.requested) == ["b/1.png", "b/new.png"]
    assert (changes.added, changes.removed, changes.kept) == (2, 2, 10)
    fresh, _ = build_index(changed, Embedding(), BINDING, kind)
    by_path = {image.path: second.index.vectors[row] for row, image in enumerate(second.images.values())}
    assert set(by_path) == set(changed.paths)
    for row, image in enumerate(fresh.images.values()):
        np.testing.assert_allclose(by_path[image.path], fresh.index.vectors[row], rtol=1e-6)
    query = clustered(1, 8, 1, seed=3)
    names = [
        [index.images[image_id].path for image_id in index.index.search(query, 12).ids[0]] for index in (second, fresh)
    ]
    assert names[0] == names[1]
    unchanged, nothing = build_index(changed, embedding, BINDING, kind, second)
    assert (nothing.added, nothing.removed, nothing.kept) == (0, 0, 12)
    assert unchanged.images == second.images


def test_unreadable_images_are_listed_and_skipped(tmp_path: Path) -> None:
    images = folder_of(tmp_path / "i", ["a/1.png", "a/bad.png", "z.png"])
    made, changes = build_index(images, Embedding(), BINDING, "exact")
    assert [image.path for image in made.images.values()] == ["a/1.png", "z.png"]
    assert changes.faults == ("a/bad.png: broken",)
    with pytest.raises(UserError, match=r"None of the 1 images .* can be read: bad\.png: broken"):
        build_index(folder_of(tmp_path / "j", ["bad.png"]), Embedding(), BINDING, "exact")


def test_only_an_index_is_replaced(images: ImageList, tmp_path: Path) -> None:
    made, _ = build_index(images, Embedding(), BINDING, "exact")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(UserError, match="exists and is not an index"):
        made.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").is_file()
    made.save(tmp_path / "index")
    made.save(tmp_path / "index")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "index", "mine"]


def test_a_failure_while_saving_leaves_the_old_index(
    images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = build_index(images, Embedding(), BINDING, "exact")
    made.save(tmp_path / "index")
    monkeypatch.setattr(type(made.index), "save", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        made.save(tmp_path / "index")
    assert len(ImageIndex.load(tmp_path / "index", BINDING).images) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "index"]


def test_a_label_is_the_first_folder_with_a_label_name(tmp_path: Path) -> None:
    images = folder_of(tmp_path / "i", ["train/dog/1.png", "cat/2.png", "odd/3.png", "4.png", "dog/5.png"])
    labelled = with_folder_labels(images, ["dog", "cat"])
    names = [labelled.names[label] if label >= 0 else "" for label in labelled.labels.tolist()]
    assert dict(zip(labelled.paths, names, strict=True)) == {
        "train/dog/1.png": "dog",
        "cat/2.png": "cat",
        "odd/3.png": "odd",
        "4.png": "",
        "dog/5.png": "dog",
    }


def test_recall_is_measured_with_images_and_with_words(images: ImageList) -> None:
    pytest.importorskip("faiss")
    made, _ = build_index(images, Embedding(), BINDING, "faiss", words=clustered(20, 8, 2, seed=9))
    assert made.recall == {"images": 1.0, "words": 1.0}


def many(folder: Path, kind: str) -> ImageIndex:
    """A saved index of 300 images."""
    pytest.importorskip(PACKAGES[kind][0])
    images = folder_of(folder / "images", [f"{number:03}.png" for number in range(300)])
    made, _ = build_index(images, Embedding(), BINDING, kind, options=GraphOptions(threads=1))
    made.save(folder / "index")
    return made


def altered(folder: Path, **values: object) -> None:
    """Changes values of the manifest, and updates its hash and the digests of the files."""
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["hash"]
    manifest |= values
    manifest["files"] = {name: digest_file(folder / name) for name in manifest["files"]}
    (folder / MANIFEST).write_text(json.dumps({**manifest, "hash": _hash(manifest)}))


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_graph_of_other_vectors_is_refused(kind: str, tmp_path: Path) -> None:
    """The graph's file is undamaged, but vectors are missing or different."""
    made = many(tmp_path, kind)
    others = clustered(300, 8, 12, seed=8)
    for count, sentence in ((299, "its graph holds 299 of 300 vectors"), (300, r"recall@10 of 20 stored queries is 0")):
        find_kind(kind).build(others[:count], np.arange(count), GraphOptions(threads=1)).save(tmp_path / "index")
        altered(tmp_path / "index")
        with pytest.raises(UserError, match=rf"damaged \({sentence}.*make it again with `seqvise index`"):
            ImageIndex.load(tmp_path / "index", BINDING)
    again = ImageIndex.load_vectors(tmp_path / "index", BINDING)
    np.testing.assert_array_equal(again.index.vectors, made.index.vectors)
    assert again.kind == "exact"


def test_an_empty_graph_is_rebuilt_if_an_earlier_revision_wrote_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(tmp_path, "nmslib")
    folder = tmp_path / "index"
    query = clustered(5, 8, 1, seed=5)
    shutil.copy(EARLIER / "indexes" / "nmslib" / "index.nmslib", folder)
    altered(folder)
    with pytest.raises(UserError, match=r"damaged \(its graph holds 0 of 300 vectors\)"):
        ImageIndex.load(folder, BINDING)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({key: value for key, value in manifest.items() if key != "check"}))
    with pytest.raises(UserError, match="differs from what was written"):
        ImageIndex.load(folder, BINDING)
    altered(folder)

    def full(*_: object) -> None:
        raise OSError("read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(ImageIndex, "save", full)
        rebuilt = ImageIndex.load(folder, BINDING)
    assert [line.split(":")[0] for line in caplog.messages] == [
        f"index={folder} has an empty graph, as earlier revisions saved it",
        f"index={folder}",
    ]
    assert "cannot be saved (read-only file system), so the next search rebuilds it" in caplog.messages[1]
    assert rebuilt.recall["images"] >= 0.97
    caplog.clear()
    exact = ImageIndex.load_vectors(folder, BINDING).index.search(query, 4).ids
    monkeypatch.setattr(
        "seqvise.retrieval.indexes.base.nearest_rows", lambda *_: pytest.fail("the exact scan answered")
    )
    for lines in (1, 0):
        again = ImageIndex.load(folder, BINDING)
        assert len(caplog.messages) == lines
        caplog.clear()
        for index in (rebuilt, again):
            assert index.kind == "nmslib"
            assert np.isin(index.index.search(query, 4).ids, exact).mean() >= 0.95
