"""The words that have an id, in a file of a line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seqvise.errors import UserError
from seqvise.files import write_text

BOS, PAD, EOS, UNK = range(4)
SPECIALS = ("<bos>", "<pad>", "<eos>", "<unk>")
_HEADER = "word\tcount\tjoins_left\tjoins_right"
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_UNESCAPES = {escaped: plain for plain, escaped in _ESCAPES.items()}


@dataclass(frozen=True)
class Vocabulary:
    """Words by id. The four specials come first: ``<bos> <pad> <eos> <unk>``.

    Attributes:
        words: the words, most frequent first, words of one count in the order of their characters.
        counts: occurrences in the training part; 0 for the specials.
        joins_left: whether a word is usually written without a space before it.
        joins_right: whether a word is usually written without a space after it.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    joins_left: tuple[bool, ...]
    joins_right: tuple[bool, ...]

    def __post_init__(self) -> None:
        columns = (self.words, self.counts, self.joins_left, self.joins_right)
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"A vocabulary's columns have {[len(column) for column in columns]} entries.")
        if self.words[: len(SPECIALS)] != SPECIALS or len(set(self.words)) != len(self.words):
            raise ValueError(f"A vocabulary starts with {SPECIALS} and holds each word once.")

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.words)}

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def id(self, word: str) -> int:
        """The word's id, ``UNK`` where it has none."""
        return self._ids.get(word, UNK)

    def ids(self, words: Iterable[str]) -> list[int]:
        """The words' ids, ``UNK`` for those that have none."""
        known = self._ids
        return [known.get(word, UNK) for word in words]

    @classmethod
    def from_ranked(
        cls, ranked: Sequence[str], counts: Mapping[str, int], joins: Mapping[str, tuple[bool, bool]]
    ) -> Vocabulary:
        """The specials, then the words in the order given; a word that ``joins`` lacks joins nothing."""
        sides = [joins.get(word, (False, False)) for word in ranked]
        return cls(
            words=SPECIALS + tuple(ranked),
            counts=(0,) * len(SPECIALS) + tuple(counts[word] for word in ranked),
            joins_left=(False,) * len(SPECIALS) + tuple(left for left, _ in sides),
            joins_right=(False,) * len(SPECIALS) + tuple(right for _, right in sides),
        )

    def save(self, path: Path) -> None:
        """Writes a line a word: word, count, joins_left, joins_right, tabs between; ``\\t`` and its like escaped."""
        columns = zip(self.words, self.counts, self.joins_left, self.joins_right, strict=True)
        lines = (f"{_escape(word)}\t{count}\t{left:d}\t{right:d}" for word, count, left, right in columns)
        write_text(path, "\n".join((_HEADER, *lines)) + "\n")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Reads what ``save`` wrote.

        Raises:
            UserError: the file is missing or is no such table.
        """
        try:
            header, *lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
            if header != _HEADER:
                raise ValueError(f"its first line is {header[:40]!r}")
            rows = [_parse(line) for line in lines]
            words, counts, left, right = zip(*rows, strict=True)
            return cls(words, counts, left, right)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is not a vocabulary that seqvise wrote: {error}.") from None


def rank_words(counts: Mapping[str, int], min_count: int, max_words: int | None) -> list[str]:
    """The words that get an id, the most frequent first, words of one count in the order of their characters.

    Args:
        counts: occurrences in the training part; a word that reads like a special is left out.
        min_count: rarer words are left out, and always those that do not occur.
        max_words: most words kept, specials not counted; None keeps all.
    """
    often = [word for word, count in counts.items() if count >= max(min_count, 1) and word not in SPECIALS]
    return sorted(often, key=lambda word: (-counts[word], word))[:max_words]


def _escape(word: str) -> str:
    return re.sub(r"[\\\t\n\r]", lambda match: _ESCAPES[match[0]], word)


def _parse(line: str) -> tuple[str, int, bool, bool]:
    word, count, left, right = line.split("\t")
    plain = re.sub(r"\\[\\tnr]", lambda match: _UNESCAPES[match[0]], word) if "\\" in word else word
    return plain, int(count), left == "1", right == "1"
