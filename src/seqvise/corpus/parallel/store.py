"""A tokenised corpus on disk, mapped into memory."""

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
"""Of a manifest: size and checksum of each file of the store."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenColumn:
    """One side of one part: the ids of all sentences one after another.

    Attributes:
        ids: (tokens,) int32, mapped, ``EOS`` at the end of each sentence.
        offsets: (n + 1,) int64, mapped, where each sentence starts, and the end of the last.
        backwards: rows are given from the last word to the first, then ``EOS``.
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
        """(n,) words of each sentence, ``EOS`` counted."""
        return np.diff(self.offsets).astype(np.int32)

    @classmethod
    def open(cls, folder: Path, side: str, backwards: bool = False) -> TokenColumn:
        """Maps ``<side>.ids.npy`` and ``<side>.offsets.npy``."""
        ids, offsets = (
            np.load(folder / f"{side}.{column}.npy", mmap_mode="r", allow_pickle=False) for column in ("ids", "offsets")
        )
        return cls(ids, offsets, backwards)


@dataclass(frozen=True)
class CorpusPart:
    """The training, validation or test pairs of a corpus: row n of one column translates row n of the other."""

    name: str
    folder: Path
    source: TokenColumn
    target: TokenColumn

    def __len__(self) -> int:
        return len(self.source)

    def raw_source(self) -> list[str]:
        """The source texts as they were read, uncut; of ``train`` only where it is kept for drawing sub-words."""
        return self._raw("source")

    def raw_target(self) -> list[str]:
        """The references as they were read, uncut; of ``train`` as ``raw_source``."""
        return self._raw("target")

    def _raw(self, side: str) -> list[str]:
        path = self.folder / f"{side}.txt"
        if self.name == "train" and not path.is_file():
            raise ValueError("The training part keeps no raw text.")
        with opening(self.folder.parent):
            lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
            if len(lines) != len(self):
                raise ValueError(f"{self.name}/{path.name} has {len(lines):,} lines, but must have {len(self):,}")
        return lines


@dataclass(frozen=True)
class TokenStore:
    """A prepared corpus.

    Attributes:
        path: its folder.
        manifest: all that shaped it, and the report.
        source, target: codecs of the two sides.
        sampling: how training draws its sub-words, see ``Pieces.sample``; None takes the likeliest, as they are stored.
    """

    path: Path
    manifest: dict[str, Any]
    source: TextCodec
    target: TextCodec
    sampling: float | None = None

    def backwards(self) -> TokenStore:
        """The same corpus with its targets from the last word to the first, for a right-to-left model."""
        return replace(self, target=replace(self.target, backwards=True))

    @property
    def report(self) -> CorpusReport:
        """What preparing it found."""
        return CorpusReport.from_dict(self.manifest["report"])

    def part(self, name: str) -> CorpusPart | None:
        """The pairs of ``train``, ``valid`` or ``test``; None where the corpus has no such part."""
        folder = part_folder(self.path, name)
        if folder is None:
            return None
        with opening(self.path):
            source, target = (TokenColumn.open(folder, side, getattr(self, side).backwards) for side in SIDES)
            if len(source) != len(target):
                raise ValueError(f"its {name} part has {len(source)} sources and {len(target)} targets")
        return CorpusPart(name, folder, source, target)

    def sampled(self, seed: int) -> tuple[SampledColumn, SampledColumn]:
        """Source and target of the training part, in sub-words that are drawn. Defined where ``sampling`` is."""
        if self.sampling is None:
            raise ValueError("This corpus is read as it is stored.")
        report, folder = self.report, self.path / "train"
        source = SampledColumn(self.source, Lines(folder / "source.txt"), self.sampling, seed, report.source.cut)
        # Another seed, lest both sides of a row draw alike where they have one model.
        target = SampledColumn(self.target, Lines(folder / "target.txt"), self.sampling, seed + 1, report.target.cut)
        return source, target

    @classmethod
    def open(cls, path: Path, verify: bool = False) -> TokenStore:
        """Opens a finished store. verify: see ``prepare_corpus``.

        Raises:
            UserError: the folder holds no store of this format, or a damaged one; it says which folder to delete.
        """
        with opening(path):
            manifest = read_manifest(path, FORMAT, verify)
            CorpusReport.from_dict(manifest["report"])
            source, target = (TextCodec.load(path, side) for side in SIDES)
        return cls(path, manifest, source, target)


def part_folder(store: Path, name: str) -> Path | None:
    """Where ``train``, ``valid`` or ``test`` of a store lies; None where it has no such part."""
    if name not in PARTS:
        raise ValueError(f"A part is one of {', '.join(PARTS)}, not '{name}'.")
    return store / name if (store / name).is_dir() else None


def read_manifest(store: Path, known: int, verify: bool = False) -> dict[str, Any]:
    """The manifest of a store, whose files are compared with their checksums.

    Args:
        known: the format that it must have.
        verify: see ``prepare_corpus``.

    Raises:
        ValueError: the store is of another format, or a file is damaged.
    """
    content: dict[str, Any] = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
    if content["format"] != known:
        raise ValueError(f"its format is {content['format']}, not {known}")
    sealed = CHECKSUMS_KEY in content or SEAL in content
    manifest = unsealed(content, "manifest.json", required=sealed)
    if not sealed:
        log.warning(
            "%s was prepared by an earlier revision, without checksums: delete that folder and it will be built again "
            "with them.",
            store,
        )
    check_files(store, manifest.get(CHECKSUMS_KEY, {}), verify)
    return manifest


@contextmanager
def opening(store: Path) -> Iterator[None]:
    """Says of what a damaged store raises which folder to delete."""
    try:
        yield
    except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, UserError) as error:
        raise UserError(
            f"{store} is not a whole token store ({error}): delete that folder and it will be built again."
        ) from None
