"""A damaged token store is refused before training."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from seqvise import checksums
from seqvise.cli.main import main
from seqvise.corpus.documents.options import StreamOptions
from seqvise.corpus.documents.prepare import prepare_text
from seqvise.corpus.documents.store import TextStore
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.store import TokenStore
from seqvise.errors import UserError
from seqvise.images.labels import LabelTable
from seqvise.images.shards import Shards, read_or_create_manifest
from tests.corpus.corpora import WORDS, numbered, paired
from tests.earlier import copy_of


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return prepare_corpus(paired(tmp_path, numbered(60), valid_fraction=0.2), WORDS, tmp_path / "cache").path


def files_of(store: Path) -> list[Path]:
    return sorted(path for path in store.rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["flip", "empty", "short"])
def test_every_damaged_file_is_refused_by_name(store: Path, damage: str) -> None:
    names = [file.relative_to(store) for file in files_of(store)]
    assert {"ids.npy", "offsets.npy", "vocabulary.tsv"} <= {file.name.partition(".")[2] for file in names}
    for file in files_of(store):
        content = file.read_bytes()
        name = "" if file.suffix == ".json" else file.name
        if damage == "flip":
            for offset in {len(content) // 3, len(content) - 2}:
                file.write_bytes(content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :])
                with pytest.raises(UserError, match=rf"{name}.*delete that folder"):
                    TokenStore.open(store)
        else:
            file.write_bytes(b"" if damage == "empty" else content[:-3])
            with pytest.raises(UserError, match="delete that folder"):
                TokenStore.open(store)
        file.write_bytes(content)
    TokenStore.open(store)


def test_large_arrays_are_read_whole_on_demand(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "SMALL", 1000)
    monkeypatch.setattr(checksums, "_SAMPLE", 4)
    file = store / "train" / "source.ids.npy"
    content = bytearray(file.read_bytes())
    assert len(content) > 1000
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["checksums"] = checksums.record_files(store, manifest["checksums"])
    (store / "manifest.json").write_text(json.dumps(checksums.sealed(manifest)))
    content[(len(content) - 4) // 63 - 1] ^= 1  # just before the second sample
    file.write_bytes(content)
    TokenStore.open(store)
    with pytest.raises(UserError, match=r"train/source\.ids\.npy differs from what was written"):
        TokenStore.open(store, verify=True)
    assert main(["verify", str(store)]) == 1


def test_a_store_of_an_earlier_revision_opens_with_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    name = "cache/corpora/phrasebook-a123d1be9e52"
    folder = copy_of(tmp_path, name) / name
    with caplog.at_level(logging.WARNING):
        store = TokenStore.open(folder)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{folder} was prepared by an earlier revision, without checksums: delete ")
    (folder / "valid" / "source.txt").write_text("one line\n")
    valid = store.part("valid")
    assert valid is not None
    with pytest.raises(UserError, match=r"valid/source\.txt has 1 lines, but must have"):
        valid.raw_source()
    (folder / "train" / "source.offsets.npy").write_bytes(b"")
    with pytest.raises(UserError, match="is not a complete token store"):
        store.part("train")


def test_remains_of_a_killed_preparation_do_not_enter_the_store(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(60), valid_fraction=0.2)
    store = prepare_corpus(data, WORDS, tmp_path / "cache").path
    names = [file.relative_to(store) for file in files_of(store)]
    building = store.with_name(f".{store.name}.building")
    shutil.rmtree(store)
    (building / "store").mkdir(parents=True)
    for name in (".source.vocabulary.tsv.4711.tmp", "manifest.json", "train/.ids.1.tmp"):
        (building / "store" / name).parent.mkdir(exist_ok=True)
        (building / "store" / name).write_text("{}")
    again = prepare_corpus(data, WORDS, tmp_path / "cache").path
    assert [file.relative_to(again) for file in files_of(again)] == names
    assert again == store


def test_every_damaged_file_of_a_document_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("one two\nthree four\n" * 20)
    (tmp_path / "valid.txt").write_text("one four\n")
    data = StreamOptions(root=str(tmp_path), train="train.txt", valid="valid.txt", language="en")
    store = prepare_text(data, WORDS, tmp_path / "cache").path
    for file in files_of(store):
        content = file.read_bytes()
        file.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        with pytest.raises(UserError, match="delete that folder"):
            TextStore.open(store)
        file.write_bytes(content)
    TextStore.open(store)


def test_the_record_of_a_feature_shard_is_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = {"network": "a", "width": 4, "shard": 2}
    read_or_create_manifest(tmp_path, manifest)
    shards = Shards(tmp_path, count=3, size=2, width=4)
    for shard in range(2):
        shards.write(shard, np.ones((2 - shard, 4), np.float16), {shard: "not an image"})
    assert shards.missing() == []
    assert main(["verify", str(tmp_path)]) == 0
    record = tmp_path / "features-00001.json"
    record.write_text(record.read_text().replace('"1"', '"2"'))  # another image would count as unreadable
    assert shards.missing() == [1]
    file = tmp_path / "manifest.json"
    file.write_text(file.read_text().replace('"width": 4', '"width": 5'))
    capsys.readouterr()
    assert main(["verify", str(tmp_path)]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 3
    (tmp_path / ".features-00000.npy.4711.tmp").write_bytes(b"half")
    assert read_or_create_manifest(tmp_path, manifest) == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_table_of_labels_notices_a_changed_name(tmp_path: Path) -> None:
    table = LabelTable(("cat", "dog"), ("cat", "dog"), (None, None), np.eye(2, dtype=np.float32))
    folder = tmp_path / "labels"
    table.save(folder)
    assert LabelTable.load(folder).names == ("cat", "dog")
    assert main(["verify", str(tmp_path)]) == 0
    for name in ("labels.tsv", "vectors.npy", "checksums.json"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
        with pytest.raises(UserError, match="is incomplete or damaged"):
            LabelTable.load(folder)
        assert main(["verify", str(tmp_path)]) == 1
        (folder / name).write_bytes(content)
    (folder / "checksums.json").unlink()
    assert LabelTable.load(folder).names == ("cat", "dog")
