"""The files of a feature store: shards that are complete or absent."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqvise.checksums import DamagedError, sealed, unsealed
from seqvise.files import atomic_write, digest_file, remove_temporary, write_text

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError)
NOT_FINITE = "its features are not finite in half precision"


class Shards:
    """The files of a feature store: one array per shard, and one record with its hash and its bad images.

    Args:
        size: rows per shard; the last shard may have fewer.
        width: F, the feature dimension.
    """

    def __init__(self, folder: Path, count: int, size: int, width: int) -> None:
        self.folder, self.count, self.size, self.width = folder, count, size, width

    def __len__(self) -> int:
        return -(-self.count // self.size)

    def rows(self, shard: int) -> range:
        """The rows of a shard."""
        return range(shard * self.size, min(self.count, (shard + 1) * self.size))

    def missing(self) -> list[int]:
        """The shards that are missing or damaged."""
        return [shard for shard in range(len(self)) if not self._is_whole(shard)]

    def write(self, shard: int, features: NDArray[np.float16], bad: Mapping[int, str]) -> None:
        """Writes a shard. bad: row of the store -> the reason."""
        array = self._array(shard)
        with atomic_write(array) as temporary, temporary.open("wb") as file:
            np.save(file, features)
        record = {"digest": digest_file(array), "bad": {str(row): reason for row, reason in bad.items()}}
        write_text(self._record(shard), json.dumps(sealed(record), indent=2) + "\n")

    def opened(self) -> Iterator[NDArray[np.float16]]:
        """Yields all shards, memory-mapped."""
        for shard in range(len(self)):
            yield np.load(self._array(shard), mmap_mode="r", allow_pickle=False)

    def bad(self) -> dict[int, str]:
        """The bad images of all shards: row -> the reason."""
        records = [json.loads(self._record(shard).read_text(encoding="utf-8")) for shard in range(len(self))]
        return {int(row): reason for record in records for row, reason in record["bad"].items()}

    def _is_whole(self, shard: int) -> bool:
        try:
            if _read(self._record(shard))["digest"] == digest_file(self._array(shard)):
                return True
        except FileNotFoundError:
            return False
        except _DAMAGE:
            pass
        logger.warning("%s is damaged and is computed again.", self._array(shard))
        return False

    def _array(self, shard: int) -> Path:
        return self.folder / f"features-{shard:05}.npy"

    def _record(self, shard: int) -> Path:
        return self.folder / f"features-{shard:05}.json"


class ShardWriter:
    """Collects rows, and writes each shard when all its rows are complete."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards
        self._open: dict[int, NDArray[np.float16]] = {}
        self._left: dict[int, int] = {}
        self._bad: dict[int, dict[int, str]] = {}

    def add(self, rows: Sequence[int], features: NDArray[np.float16], bad: Mapping[int, str]) -> None:
        """Adds features (n, F) of the rows, and the reasons of the bad rows."""
        for row, vector in zip(rows, features, strict=True):
            self._put(row, vector if np.isfinite(vector).all() else NOT_FINITE)
        for row, reason in bad.items():
            self._put(row, reason)

    def _put(self, row: int, result: NDArray[np.float16] | str) -> None:
        shard = row // self.shards.size
        rows = self.shards.rows(shard)
        if shard not in self._open:
            self._open[shard] = np.zeros((len(rows), self.shards.width), np.float16)
            self._left[shard], self._bad[shard] = len(rows), {}
        if isinstance(result, str):
            self._bad[shard][row] = result
        else:
            self._open[shard][row - rows.start] = result
        self._left[shard] -= 1
        if not self._left[shard]:
            self.shards.write(shard, self._open.pop(shard), self._bad.pop(shard))


def _read(path: Path) -> dict[str, Any]:
    """The content of a sealed JSON file."""
    return dict(unsealed(json.loads(path.read_text(encoding="utf-8")), path.name))


def shard_damages(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yields a message, without its full stop, for each damaged file of a feature folder."""
    try:
        unsealed(manifest, MANIFEST)
    except DamagedError as error:
        yield str(error)
    for record in sorted(folder.glob("features-*.json")):
        array = record.with_suffix(".npy")
        try:
            if _read(record)["digest"] != digest_file(array):
                yield f"{array.name} differs from what was written"
        except FileNotFoundError:
            yield f"{array.name} is missing"
        except _DAMAGE as error:
            yield f"{record.name} is damaged ({error})"


def read_or_create_manifest(folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """Reads a store's manifest, which determines its shard size, or creates it.

    If the manifest is missing or damaged, ``expected`` is written, and all existing shards are removed.
    """
    remove_temporary(folder)
    path = folder / MANIFEST
    try:
        manifest = _read(path)
        if {**expected, "shard": int(manifest["shard"])} == manifest:
            return manifest
    except _DAMAGE:
        pass
    files = list(folder.glob("features-*"))
    if files:
        logger.warning("%s is damaged: all features of that folder are computed again.", path)
    for file in files:
        file.unlink()
    write_text(path, json.dumps(sealed(expected), indent=2) + "\n")
    return expected
