"""Features are computed once, in spite of interruptions and damage."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqvise.errors import UserError
from seqvise.images.backbones import Network, load_network
from seqvise.images.decoding import decode
from seqvise.images.features import FeatureStore, extract
from seqvise.images.listing import ImageList, find_images, list_folder
from seqvise.images.options import ImageOptions
from seqvise.images.transforms import evaluation_transform
from tests.images.draw import draw_folder, image_options

pytest.importorskip("torchvision")


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    return find_images(image_options(draw_folder(tmp_path / "images"))).images


@pytest.fixture
def options(images: ImageList) -> ImageOptions:
    return image_options(images.root)


@pytest.fixture
def network(options: ImageOptions) -> Network:
    torch.manual_seed(1)
    return load_network(options)


def one_by_one(images: ImageList, network: Network) -> NDArray[np.float16]:
    transform = evaluation_transform(network.preset)
    with torch.inference_mode():
        rows = [network.backbone(transform(decode(images.file(row)))[None])[0] for row in range(len(images))]
    return torch.stack(rows).half().numpy()


class StoppedError(Exception):
    """Simulates a kill."""


def stop_after(count: int) -> Any:
    def progress(done: int, _: int) -> None:
        if done >= count:
            raise StoppedError

    return progress


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that extraction reads."""
    paths: list[Path] = []

    def counted(path: Path, max_pixels: int) -> Any:
        paths.append(path)
        return decode(path, max_pixels)

    monkeypatch.setattr("seqvise.images.features.decode", counted)
    return paths


def test_the_store_has_the_networks_features_of_each_image(
    images: ImageList, network: Network, options: ImageOptions, tmp_path: Path
) -> None:
    store = extract(images, network, options, tmp_path)
    assert [shard.shape for shard in store.shards] == [(5, 8), (5, 8), (2, 8)]
    assert store.matrix().dtype == np.float16
    np.testing.assert_allclose(store.matrix(), one_by_one(images, network), rtol=2e-3, atol=1e-3)
    rows = np.array([11, 0, 4, 5, 5])
    np.testing.assert_array_equal(store.read(rows), store.matrix()[rows])
    assert store.bad == {}


@pytest.mark.parametrize("workers", [1, 3])
def test_features_do_not_depend_on_decoding_processes(
    images: ImageList, network: Network, options: ImageOptions, tmp_path: Path, workers: int
) -> None:
    alone = extract(images, network, options, tmp_path / "a")
    together = extract(images, network, replace(options, workers=workers), tmp_path / "b")
    np.testing.assert_array_equal(alone.matrix(), together.matrix())


def test_existing_features_are_not_computed_again(
    images: ImageList, network: Network, options: ImageOptions, tmp_path: Path, reads: list[Path]
) -> None:
    first = extract(images, network, options, tmp_path)
    reads.clear()
    # Shard and batch size do not change the features.
    again = extract(images, network, replace(options, shard=7, extract_batch_size=2), tmp_path)
    assert reads == []
    assert again.folder == first.folder
    np.testing.assert_array_equal(again.matrix(), first.matrix())


def test_an_interrupted_extraction_resumes(
    images: ImageList, network: Network, options: ImageOptions, tmp_path: Path, reads: list[Path]
) -> None:
    with pytest.raises(StoppedError):
        extract(images, network, options, tmp_path / "a", progress=stop_after(6))
    reports = []
    reads.clear()
    store = extract(images, network, options, tmp_path / "a", progress=lambda *done: reports.append(done))
    assert len(reads) == 7  # the first shard of five was complete
    assert reports[-1] == (12, 12)
    whole = extract(images, network, options, tmp_path / "b")
    np.testing.assert_allclose(store.matrix(), whole.matrix(), rtol=2e-3, atol=1e-3)


def damage(store: FeatureStore, kind: str) -> None:
    array, record = store.folder / "features-00001.npy", store.folder / "features-00001.json"
    if kind == "bytes":
        content = bytearray(array.read_bytes())
        content[-3] ^= 0xFF
        array.write_bytes(bytes(content))
    elif kind == "truncated":
        array.write_bytes(array.read_bytes()[:50])
    elif kind == "gone":
        array.unlink()
    else:
        record.write_text("{")


@pytest.mark.parametrize("kind", ["bytes", "truncated", "gone", "record"])
def test_only_a_damaged_shard_is_computed_again(
    images: ImageList,
    network: Network,
    options: ImageOptions,
    tmp_path: Path,
    reads: list[Path],
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = extract(images, network, options, tmp_path)
    before = store.matrix()
    others = {path: path.stat().st_mtime_ns for path in store.folder.glob("features-0000[02]*")}
    damage(store, kind)
    reads.clear()
    with caplog.at_level(logging.WARNING):
        again = extract(images, network, options, tmp_path)
    assert len(reads) == 5
    np.testing.assert_allclose(again.matrix(), before, rtol=2e-3, atol=1e-3)
    assert {path: path.stat().st_mtime_ns for path in others} == others
    assert ("features-00001.npy is damaged" in caplog.text) == (kind != "gone")


def test_shards_without_a_valid_manifest_are_computed_again(
    images: ImageList, network: Network, options: ImageOptions, tmp_path: Path, reads: list[Path]
) -> None:
    store = extract(images, network, options, tmp_path)
    (store.folder / "manifest.json").write_text("{}")
    reads.clear()
    again = extract(images, network, replace(options, shard=4), tmp_path)
    assert len(reads) == 12
    assert [len(shard) for shard in again.shards] == [4, 4, 4]


def test_other_weights_transforms_and_images_have_other_stores(
    images: ImageList, network: Network, options: ImageOptions, tmp_path: Path
) -> None:
    folders = {extract(images, network, options, tmp_path).folder}
    folders.add(extract(images.select(np.arange(5)), network, options, tmp_path).folder)
    torch.manual_seed(2)
    folders.add(extract(images, load_network(options), options, tmp_path).folder)
    assert len(folders) == 3
    torch.manual_seed(1)
    darker = replace(options, transform=replace(options.transform, mean=[0.1, 0.1, 0.1]))
    assert extract(images, load_network(darker), options, tmp_path).folder not in folders
    torch.manual_seed(1)
    assert extract(images, load_network(options), options, tmp_path).folder in folders


def spoil(root: Path) -> None:
    whole = (root / "red/3.png").read_bytes()
    (root / "blue/0.png").write_bytes(b"")
    (root / "green/2.png").write_bytes(b"this is text")
    (root / "red/3.png").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_files_are_listed_and_the_others_unchanged(
    images: ImageList, network: Network, options: ImageOptions, tmp_path: Path, reads: list[Path], workers: int
) -> None:
    whole = extract(images, network, options, tmp_path)
    spoil(images.root)
    store = extract(images, network, replace(options, workers=workers), tmp_path)
    assert {path: reason.partition(" ")[0] for path, reason in store.bad_files().items()} == {
        "blue/0.png": "the",
        "green/2.png": "not",
        "red/3.png": store.bad_files()["red/3.png"].partition(" ")[0],
    }
    good = store.good(np.arange(12))
    assert len(good) == 9
    np.testing.assert_allclose(store.read(good), whole.read(good), rtol=2e-3, atol=1e-3)
    assert not store.read(np.array(sorted(store.bad))).any()
    # Bad files are stored: the next extraction reads nothing.
    reads.clear()
    assert extract(images, network, options, tmp_path).bad == store.bad
    assert reads == []


def test_a_folder_without_a_readable_image_is_refused(tmp_path: Path, network: Network, options: ImageOptions) -> None:
    for number in range(4):
        path = tmp_path / f"junk/cat/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"junk")
    with pytest.raises(UserError, match=r"None of the 4 images .* cat/0\.jpg: not an image"):
        extract(list_folder(tmp_path / "junk"), network, options, tmp_path)


def test_features_that_overflow_half_precision_are_reported(
    images: ImageList, network: Network, options: ImageOptions, tmp_path: Path
) -> None:
    def overflow(_: object, __: object, output: torch.Tensor) -> torch.Tensor:
        return torch.cat([output[:1] * 1e9, output[1:]])

    network.backbone.register_forward_hook(overflow)
    store = extract(images, network, options, tmp_path)
    assert set(store.bad) == {0, 3, 6, 9}
    assert set(store.bad.values()) == {"its features are not finite in half precision"}


def test_the_manifest_identifies_network_and_images(
    images: ImageList, network: Network, options: ImageOptions, tmp_path: Path
) -> None:
    store = extract(images, network, options, tmp_path)
    manifest = json.loads((store.folder / "manifest.json").read_text())
    assert manifest.pop("seal")
    assert manifest == {
        "format": 1,
        "network": network.digest,
        "images": images.digest(),
        "width": 8,
        "backbone": "tests.images.draw.TinyNetwork",
        "shard": 5,
    }
