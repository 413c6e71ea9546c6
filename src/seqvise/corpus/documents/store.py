"""Tokenised documents on disk, read through memory maps."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.parallel.report import FilterCounts, SideReport, counts_from_dict
from seqvise.corpus.parallel.store import TokenColumn, damage_as_user_error, part_folder, read_manifest
from seqvise.corpus.tokens.codec import TextCodec

TEXT_FORMAT = 1
SIDE = "text"


@dataclass(frozen=True)
class TextReport:
    """Statistics of prepared documents.

    Attributes:
        inputs: input -> documents read and dropped.
        kept: part -> documents.
        side: tokens and lengths of the training part.
        labels: part -> label -> documents; empty without labels.
    """

    inputs: dict[str, FilterCounts]
    kept: dict[str, int]
    side: SideReport
    labels: dict[str, dict[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> TextReport:
        """The inverse of ``as_dict``; accepts the string keys of a JSON file."""
        inputs, side = counts_from_dict(content["inputs"]), SideReport.from_dict(content["side"])
        return cls(inputs, content["kept"], side, content["labels"])


@dataclass(frozen=True)
class TextPart:
    """The training, validation or test documents.

    Attributes:
        name: ``train``, ``valid`` or ``test``.
        documents: ids of each document, with ``EOS`` at the end.
        labels: (n,) int32, indices into the store's ``labels``; empty without labels.
    """

    name: str
    documents: TokenColumn
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.documents)

    def stream(self) -> NDArray[np.int32]:
        """(tokens,) int32, all documents concatenated; each is reversed if they are read backwards."""
        ids, offsets = self.documents.ids, self.documents.offsets
        if not self.documents.backwards:
            return ids
        lengths = np.diff(offsets)
        first, last = np.repeat(offsets[:-1], lengths), np.repeat(offsets[1:] - 1, lengths)
        positions = np.arange(len(ids))
        # EOS stays at the end; the tokens before it are reversed.
        return ids[np.where(positions == last, positions, first + last - 1 - positions)]


@dataclass(frozen=True)
class TextStore:
    """Prepared documents.

    Attributes:
        report: counts and statistics of the preparation.
        labels: names of the labels; empty without labels.
    """

    path: Path
    report: TextReport
    codec: TextCodec
    labels: tuple[str, ...]

    def backwards(self) -> TextStore:
        """The same documents with reversed tokens."""
        return replace(self, codec=replace(self.codec, backwards=True))

    def part(self, name: str) -> TextPart | None:
        """The documents of ``train``, ``valid`` or ``test``; None if there is no such part."""
        folder = part_folder(self.path, name)
        if folder is None:
            return None
        with damage_as_user_error(self.path):
            documents = TokenColumn.open(folder, SIDE, self.codec.backwards)
            return TextPart(name, documents, np.load(folder / "labels.npy", allow_pickle=False))

    @classmethod
    def open(cls, path: Path, verify: bool = False) -> TextStore:
        """Opens a finished store. verify: see ``prepare_corpus``.

        Raises:
            UserError: the folder is not a store of this format, or is damaged; the message names the folder to delete.
        """
        with damage_as_user_error(path):
            manifest = read_manifest(path, TEXT_FORMAT, verify)
            report, labels = TextReport.from_dict(manifest["report"]), tuple(manifest["labels"])
            return cls(path, report, TextCodec.load(path, SIDE), labels)
