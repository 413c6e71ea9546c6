"""``seqvise verify`` finds every flipped bit, whichever it is, and never fails itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqvise.checksums import record_files, sealed
from seqvise.cli.verify import find
from seqvise.files import digest_file
from seqvise.images.shards import Shards
from seqvise.runs.directory import RunDirectory
from seqvise.runs.integrity import record_assets, with_checksum
from seqvise.training.images import _copy_network


def flips(file: Path) -> Iterator[int]:
    """Flips each bit of each byte, and puts it back before the next; JSON that still means the same is no damage."""
    content = file.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            file.write_bytes(damaged)
            if file.suffix != ".json" or meaning(damaged) != meaning(content):
                yield place
    file.write_bytes(content)


def meaning(content: bytes | bytearray) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def damages(folder: Path) -> list[str]:
    return [message for finding in find(folder) for message in finding.damages]


def finished_run(folder: Path) -> None:
    run = RunDirectory(folder)
    with run.recorded():
        (folder / "config.yaml").write_text(with_checksum("seed: 1\n"))
        (folder / "assets").mkdir()
        record_assets(folder / "assets")
        run.write_metrics({"val/loss": 1.5})


def token_store(folder: Path) -> None:
    folder.mkdir()
    (folder / "source.vocabulary.tsv").write_text("a\t1\n")
    write_manifest(folder, {"identity": {"format": 1}, "checksums": record_files(folder)})


def word_vectors(folder: Path) -> None:
    folder.mkdir()
    (folder / "words.txt").write_text("a\n")
    write_manifest(folder, {"format": 1, "shape": [1, 1], "checksums": record_files(folder)})


def features(folder: Path) -> None:
    folder.mkdir()
    Shards(folder, 2, 2, 1).write(0, np.ones((2, 1), np.float16), {1: "no image"})
    write_manifest(folder, {"format": 1, "network": "fd8c", "width": 1, "shard": 2})


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(sealed(content), indent=2) + "\n")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (finished_run, "status.json"),
        (token_store, "manifest.json"),
        (word_vectors, "manifest.json"),
        (features, "manifest.json"),
        (features, "features-00000.json"),
        (features, "features-00000.npy"),
    ],
)
def test_every_flipped_bit_is_found(tmp_path: Path, make: Any, name: str) -> None:
    folder = tmp_path / "folder"
    make(folder)
    assert damages(folder) == []
    assert [place for place in flips(folder / name) if not damages(folder)] == []
    (folder / name).write_bytes(b"")
    assert damages(folder)


def test_a_status_that_is_gone_is_named(tmp_path: Path) -> None:
    finished_run(tmp_path / "run")
    (tmp_path / "run" / "status.json").unlink()
    assert damages(tmp_path) == [f"{tmp_path / 'run' / 'status.json'} is missing"]


def test_a_damaged_network_of_the_cache_is_found_and_gets_into_no_run(tmp_path: Path) -> None:
    weights = tmp_path / "own.pt"
    weights.write_bytes(b"weights of a network")
    cache = tmp_path / "cache"
    for run in ("one", "two"):
        (tmp_path / run / "network").mkdir(parents=True)
    _copy_network(str(weights), tmp_path / "one", cache)
    kept = cache / "networks" / f"{digest_file(weights)}.pt"
    assert damages(cache) == []
    kept.write_bytes(b"Weights of a network")
    assert damages(cache) == [f"{kept.name} is not as it was written"]
    _copy_network(str(weights), tmp_path / "two", cache)
    assert (tmp_path / "two" / "network" / "own.pt").read_bytes() == b"weights of a network"
    assert damages(cache) == []
