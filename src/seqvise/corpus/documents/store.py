"""Tokenised documents on disk, mapped into memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.parallel.report import FilterCounts, SideReport
from seqvise.corpus.parallel.store import TokenColumn, opening, part_folder, read_manifest
from seqvise.corpus.tokens.codec import TextCodec

TEXT_FORMAT = 1
SIDE = "text"


@dataclass(frozen=True)
class TextReport:
    """Prepared documents in numbers.

    Attributes:
        inputs: what was read and dropped of each input.
        kept: documents of each part.
        side: words and lengths of the training part.
        labels: of each part, documents of each label; empty without labels.
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
        """The inverse of ``as_dict``, after a JSON file has made every key a string."""
        inputs = {name: FilterCounts(**tally) for name, tally in content["inputs"].items()}
        lengths = {int(percent): length for percent, length in content["side"]["lengths"].items()}
        return cls(inputs, content["kept"], SideReport(**{**content["side"], "lengths": lengths}), content["labels"])


@dataclass(frozen=True)
class TextPart:
    """The training, validation or test documents.

    Attributes:
        name: of the part.
        documents: their ids, ``EOS`` at the end of each.
        labels: (n,) int32, places in the store's ``labels``; empty without labels.
    """

    name: str
    documents: TokenColumn
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.documents)

    def stream(self) -> NDArray[np.int32]:
        """(tokens,) int32, all documents one after another; each turned round where they are read backwards."""
        ids, offsets = self.documents.ids, self.documents.offsets
        if not self.documents.backwards:
            return ids
        lengths = np.diff(offsets)
        first, last = np.repeat(offsets[:-1], lengths), np.repeat(offsets[1:] - 1, lengths)
        places = np.arange(len(ids))
        # The end mark stays; the words before it stand in reverse.
        return ids[np.where(places == last, places, first + last - 1 - places)]


@dataclass(frozen=True)
class TextStore:
    """Prepared documents.

    Attributes:
        path: its folder.
        report: what preparing it found.
        codec: text to ids and back.
        labels: names of the labels; none where there are no labels.
    """

    path: Path
    report: TextReport
    codec: TextCodec
    labels: tuple[str, ...]

    def backwards(self) -> TextStore:
        """The same documents from their last word to their first."""
        return replace(self, codec=replace(self.codec, backwards=True))

    def part(self, name: str) -> TextPart | None:
        """The documents of ``train``, ``valid`` or ``test``; None where there is no such part."""
        folder = part_folder(self.path, name)
        if folder is None:
            return None
        with opening(self.path):
            documents = TokenColumn.open(folder, SIDE, self.codec.backwards)
            return TextPart(name, documents, np.load(folder / "labels.npy", allow_pickle=False))

    @classmethod
    def open(cls, path: Path, verify: bool = False) -> TextStore:
        """Opens a finished store. verify: see ``prepare_corpus``.

        Raises:
            UserError: the folder holds no store of this format, or a damaged one; it says which folder to delete.
        """
        with opening(path):
            manifest = read_manifest(path, TEXT_FORMAT, verify)
            report, labels = TextReport.from_dict(manifest["report"]), tuple(manifest["labels"])
            return cls(path, report, TextCodec.load(path, SIDE), labels)
