from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqvise import checksums
from seqvise.checksums import DamagedError, check_files, crc32, crc32_file, damages, record_files, sealed, unsealed
from seqvise.errors import UserError
from seqvise.runs.model import read_checkpoint


def test_checksums_are_crc32(tmp_path: Path) -> None:
    assert crc32("123456789") == "cbf43926"  # the check value of the CRC catalogues
    (tmp_path / "a").write_bytes(b"123456789")
    assert crc32_file(tmp_path / "a") == f"{zlib.crc32(b'123456789'):08x}" == "cbf43926"


@given(content=st.binary(min_size=1, max_size=300), place=st.integers(0, 299), bit=st.integers(0, 7))
def test_every_flipped_bit_is_detected(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, place: int, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    (folder / "part").mkdir()
    file = folder / "part" / "ids.npy"
    file.write_bytes(content)
    records = json.loads(json.dumps(record_files(folder)))
    assert list(records) == ["part/ids.npy"]
    check_files(folder, records)
    damaged = bytearray(content)
    damaged[place % len(content)] ^= 1 << bit
    file.write_bytes(damaged)
    with pytest.raises(DamagedError, match=r"part/ids\.npy differs from what was written"):
        check_files(folder, records)


def test_a_missing_and_a_shortened_file_are_named(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"1234")
    records = record_files(tmp_path)
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_bytes(b"")
    assert list(damages(tmp_path, records)) == ["a is missing", "b has 0 bytes, but 4 were written"]


def test_large_files_are_sampled_and_read_whole_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "SMALL", 1 << 20)
    content = bytes(range(256)) * 8192
    file = tmp_path / "a"
    file.write_bytes(content)
    records = record_files(tmp_path)
    for place in (0, len(content) - 1):
        file.write_bytes(content[:place] + b"\x80" + content[place + 1 :])
        assert list(damages(tmp_path, records))
    place = 40_000  # between the first two samples
    file.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    assert not list(damages(tmp_path, records))
    assert list(damages(tmp_path, records, whole=True))


def test_a_sealed_object_survives_json_and_detects_a_change() -> None:
    text = json.dumps(sealed({"b": (1, 2), "a": {3: "ü"}}), indent=2)
    assert unsealed(json.loads(text), "manifest.json") == {"b": [1, 2], "a": {"3": "ü"}}
    with pytest.raises(DamagedError, match=r"manifest\.json does not match"):
        unsealed(json.loads(text.replace("2", "4", 1)), "manifest.json")


def test_an_object_without_a_seal_is_returned_unchanged() -> None:
    assert unsealed({"format": 1}, "manifest.json") == {"format": 1}
    with pytest.raises(DamagedError):
        unsealed({"format": 1}, "manifest.json", required=True)


def test_a_checkpoint_that_could_run_code_is_refused_in_our_own_words(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(1), "object": tmp_path}, file := tmp_path / "a.ckpt")
    with pytest.raises(UserError) as caught:
        read_checkpoint(file)
    (message,) = caught.value.messages
    assert "it contains a Python object, pathlib." in message
    assert "weights_only" not in message
    assert "add_safe_globals" not in message
