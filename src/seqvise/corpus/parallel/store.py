"""A tokenised corpus on disk, read through memory maps."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqvise.checksums import SEAL, check_files, unsealed
from seqvise.corpus.parallel.filters import PARTS
from seqvise.corpus.parallel.report import CorpusReport
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.sampling import Lines, SampledColumn
from seqvise.errors import UserError

FORMAT = 1
SIDES = ("source", "target")
CHECKSUMS_KEY = "checksums"
"""Key of a manifest: file -> size and checksum."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenColumn:
    """One side of one part: the concatenated ids of all sentences.

    Attributes:
        ids: (tokens,) int32, memory-mapped, with ``EOS`` at the end of each sentence.
        offsets: (n + 1,) int64, memory-mapped: start of each sentence, and the end of the last.
        backwards: rows are returned from the last token to the first, then ``EOS``.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    backwards: bool = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        if not 0 <= row < len(self):
            raise IndexError(f"Row {row} of {len(self)}.")
        ids = self.ids[self.offsets[row] : self.offsets[row + 1]]
        return np.append(ids[-2::-1], ids[-1:]) if self.backwards else ids

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """(n,) length of each sentence in tokens, with ``EOS``."""
        return np.diff(self.offsets).astype(np.int32)

    @classmethod
    def open(cls, folder: Path, side: str, backwards: bool = False) -> TokenColumn:
        """Opens ``<side>.ids.npy`` and ``<side>.offsets.npy`` as memory maps."""
        ids, offsets = (
            np.load(folder / f"{side}.{column}.npy", mmap_mode="r", allow_pickle=False) for column in ("ids", "offsets")
        )
        return cls(ids, offsets, backwards)


@dataclass(frozen=True)
class CorpusPart:
    """The training, validation or test pairs of a corpus: row n of ``target`` translates row n of ``source``."""

    name: str
    folder: Path
    source: TokenColumn
    target: TokenColumn

    def __len__(self) -> int:
        return len(self.source)

    def raw_source(self) -> list[str]:
        """The source texts as read, without truncation; for ``train`` only if stored for sub-word sampling."""
        return self._raw("source")

    def raw_target(self) -> list[str]:
        """The target texts (references) as read, without truncation; for ``train`` see ``raw_source``."""
        return self._raw("target")

    def _raw(self, side: str) -> list[str]:
        path = self.folder / f"{side}.txt"
        if self.name == "train" and not path.is_file():
            raise ValueError("The training part has no raw text.")
        with damage_as_user_error(self.folder.parent):
            lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
            if len(lines) != len(self):
                raise ValueError(f"{self.name}/{path.name} has {len(lines):,} lines, but must have {len(self):,}")
        return lines


@dataclass(frozen=True)
class TokenStore:
    """A prepared corpus.

    Attributes:
        manifest: fingerprint, files, checksums and report.
        source, target: codecs of the two sides.
        sampling: smoothing of sub-word sampling in training, see ``Pieces.sample``; None reads the stored, most
            probable segmentation.
    """

    path: Path
    manifest: dict[str, Any]
    source: TextCodec
    target: TextCodec
    sampling: float | None = None

    def backwards(self) -> TokenStore:
        """The same corpus with reversed targets, for a right-to-left model."""
        return replace(self, target=replace(self.target, backwards=True))

    @property
    def report(self) -> CorpusReport:
        """Counts and statistics of the preparation."""
        return CorpusReport.from_dict(self.manifest["report"])

    def part(self, name: str) -> CorpusPart | None:
        """The pairs of ``train``, ``valid`` or ``test``; None if the corpus has no such part."""
        folder = part_folder(self.path, name)
        if folder is None:
            return None
        with damage_as_user_error(self.path):
            source, target = (TokenColumn.open(folder, side, getattr(self, side).backwards) for side in SIDES)
            if len(source) != len(target):
                raise ValueError(f"its {name} part has {len(source)} sources and {len(target)} targets")
        return CorpusPart(name, folder, source, target)

    def sampled(self, seed: int) -> tuple[SampledColumn, SampledColumn]:
        """Source and target of the training part, in sub-words sampled in each epoch.

        Raises:
            ValueError: ``sampling`` is None.
        """
        if self.sampling is None:
            raise ValueError("This corpus has no sub-word sampling: tokenizer.sampling is null.")
        report, folder = self.report, self.path / "train"
        source = SampledColumn(self.source, Lines(folder / "source.txt"), self.sampling, seed, report.source.cut)
        # With the same seed, the draws of both sides of a row would be correlated if they share a model.
        target = SampledColumn(self.target, Lines(folder / "target.txt"), self.sampling, seed + 1, report.target.cut)
        return source, target

    @classmethod
    def open(cls, path: Path, verify: bool = False) -> TokenStore:
        """Opens a finished store. verify: see ``prepare_corpus``.

        Raises:
            UserError: the folder is not a store of this format, or is damaged; the message names the folder to delete.
        """
        with damage_as_user_error(path):
            manifest = read_manifest(path, FORMAT, verify)
            CorpusReport.from_dict(manifest["report"])
            source, target = (TextCodec.load(path, side) for side in SIDES)
        return cls(path, manifest, source, target)


def part_folder(store: Path, name: str) -> Path | None:
    """The folder of ``train``, ``valid`` or ``test`` in a store; None if it has no such part."""
    if name not in PARTS:
        raise ValueError(f"The part is '{name}', but must be one of {', '.join(PARTS)}.")
    return store / name if (store / name).is_dir() else None


def read_manifest(store: Path, expected_format: int, verify: bool = False) -> dict[str, Any]:
    """Reads the manifest of a store and compares its files with their checksums.

    Args:
        expected_format: the format that the store must have.
        verify: see ``prepare_corpus``.

    Raises:
        ValueError: the store has another format, or a file is damaged.
    """
    content: dict[str, Any] = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
    if content["format"] != expected_format:
        raise ValueError(f"its format is {content['format']}, not {expected_format}")
    sealed = CHECKSUMS_KEY in content or SEAL in content
    manifest = unsealed(content, "manifest.json", required=sealed)
    if not sealed:
        log.warning(
            "%s was prepared by an earlier revision, without checksums: delete that folder to build it with them.",
            store,
        )
    check_files(store, manifest.get(CHECKSUMS_KEY, {}), verify)
    return manifest


@contextmanager
def damage_as_user_error(store: Path) -> Iterator[None]:
    """Raises errors of a damaged store as a ``UserError`` that names the folder to delete."""
    try:
        yield
    except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, UserError) as error:
        raise UserError(
            f"{store} is not a complete token store ({error}): delete that folder and it will be built again."
        ) from None
