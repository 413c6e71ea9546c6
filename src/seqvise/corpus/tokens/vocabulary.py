"""Vocabularies: words with their ids, and their files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seqvise.errors import UserError
from seqvise.files import write_text

BOS, PAD, EOS, UNK = range(4)
SPECIALS = ("<bos>", "<pad>", "<eos>", "<unk>")
_HEADER = "word\tcount\tjoins_left\tjoins_right"
_PAIRS_HEADER = f"{_HEADER}\tjoined_after\tspaced_after"
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_UNESCAPES = {escaped: plain for plain, escaped in _ESCAPES.items()}


@dataclass(frozen=True)
class Vocabulary:
    """Words by id. The four special tokens are first: ``<bos> <pad> <eos> <unk>``.

    Attributes:
        words: the words in descending order of count, words of equal count in the order of their characters.
        counts: occurrences in the training part; 0 for special tokens.
        joins_left: whether a word is usually written without a space before it.
        joins_right: whether a word is usually written without a space after it.
        pairs: two words -> whether they are written without a space between them, for exceptions to the two columns;
            None in vocabularies of revision 1.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    joins_left: tuple[bool, ...]
    joins_right: tuple[bool, ...]
    pairs: Mapping[tuple[str, str], bool] | None = None

    def __post_init__(self) -> None:
        columns = (self.words, self.counts, self.joins_left, self.joins_right)
        if len({len(column) for column in columns}) != 1:
            lengths = [len(column) for column in columns]
            raise ValueError(f"The columns of the vocabulary have {lengths} entries, but must have equally many.")
        if self.words[: len(SPECIALS)] != SPECIALS or len(set(self.words)) != len(self.words):
            raise ValueError(f"A vocabulary must start with {SPECIALS} and contain each word once.")

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.words)}

    @property
    def known(self) -> AbstractSet[str]:
        """The set of words."""
        return self._ids.keys()

    def joined(self, before: str, after: str) -> bool:
        """Whether two words are written without a space between them."""
        if self.pairs is not None and (joined := self.pairs.get((before, after))) is not None:
            return joined
        return self.no_space_before(after) or self.no_space_after(before)

    def no_space_before(self, word: str) -> bool:
        """Whether a word is written without a space before it, unless ``pairs`` has an exception."""
        return self.joins_left[self.id(word)] and self._may_join(word)

    def no_space_after(self, word: str) -> bool:
        """Whether a word is written without a space after it, unless ``pairs`` has an exception."""
        return self.joins_right[self.id(word)] and self._may_join(word)

    def _may_join(self, word: str) -> bool:
        # With pairs, words of letters are joined by these alone.
        return self.pairs is None or not word.isalpha()

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def id(self, word: str) -> int:
        """The id of a word; ``UNK`` if it is out-of-vocabulary."""
        return self._ids.get(word, UNK)

    def ids(self, words: Iterable[str]) -> list[int]:
        """The ids of words; ``UNK`` for out-of-vocabulary words."""
        ids = self._ids
        return [ids.get(word, UNK) for word in words]

    @classmethod
    def from_ranked(
        cls, ranked: Sequence[str], counts: Mapping[str, int], joins: Mapping[str, tuple[bool, bool]]
    ) -> Vocabulary:
        """The special tokens, then ``ranked``; a word without an entry in ``joins`` has spaces on both sides."""
        sides = [joins.get(word, (False, False)) for word in ranked]
        return cls(
            words=SPECIALS + tuple(ranked),
            counts=(0,) * len(SPECIALS) + tuple(counts[word] for word in ranked),
            joins_left=(False,) * len(SPECIALS) + tuple(left for left, _ in sides),
            joins_right=(False,) * len(SPECIALS) + tuple(right for _, right in sides),
        )

    def save(self, path: Path) -> None:
        """Writes a tab-separated line per word, with ``\\t`` and others escaped: word, count, joins_left, joins_right.

        With ``pairs`` there are two more columns: the ids of words after which it is written without a space, and the
        ids of words after which it is written with one.
        """
        columns = zip(self.words, self.counts, self.joins_left, self.joins_right, strict=True)
        lines = [f"{_escape(word)}\t{count}\t{left:d}\t{right:d}" for word, count, left, right in columns]
        if self.pairs is not None:
            after: dict[tuple[str, bool], list[int]] = defaultdict(list)
            for (first, second), joined in self.pairs.items():
                after[second, joined].append(self.id(first))
            for index, word in enumerate(self.words):
                columns_of_ids = (",".join(map(str, sorted(after[word, joined]))) for joined in (True, False))
                lines[index] = "\t".join((lines[index], *columns_of_ids))
        write_text(path, "\n".join((_HEADER if self.pairs is None else _PAIRS_HEADER, *lines)) + "\n")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """The inverse of ``save``.

        Raises:
            UserError: the file is missing or was not written by ``save``.
        """
        try:
            header, *lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
            if header not in (_HEADER, _PAIRS_HEADER):
                raise ValueError(f"its first line is {header[:40]!r}")
            rows = [line.split("\t") for line in lines]
            words, counts, left, right, *after = zip(*rows, strict=True)
            words = tuple(map(_unescape, words))
            pairs = _pairs(words, *after) if header == _PAIRS_HEADER else None
            joins_left, joins_right = (tuple(flag == "1" for flag in column) for column in (left, right))
            return cls(words, tuple(map(int, counts)), joins_left, joins_right, pairs)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{path} is not a vocabulary written by seqvise: {error}.") from None


def rank_words(counts: Mapping[str, int], min_count: int, max_words: int | None) -> list[str]:
    """The words that get an id, in descending order of count, words of equal count in the order of their characters.

    Args:
        counts: occurrences in the training part; words equal to a special token are skipped.
        min_count: rarer words are skipped, and always words that do not occur.
        max_words: maximum number of words, without special tokens; None keeps all.
    """
    frequent = [word for word, count in counts.items() if count >= max(min_count, 1) and word not in SPECIALS]
    return sorted(frequent, key=lambda word: (-counts[word], word))[:max_words]


def _escape(word: str) -> str:
    return re.sub(r"[\\\t\n\r]", lambda match: _ESCAPES[match[0]], word)


def _unescape(word: str) -> str:
    return re.sub(r"\\[\\tnr]", lambda match: _UNESCAPES[match[0]], word) if "\\" in word else word


def _pairs(words: Sequence[str], joined: Sequence[str], spaced: Sequence[str]) -> dict[tuple[str, str], bool]:
    """The pairs of the two columns of ids. words: in the order of their ids."""
    by_id = dict(enumerate(words))
    return {
        (by_id[int(index)], word): is_joined
        for column, is_joined in ((joined, True), (spaced, False))
        for word, ids in zip(words, column, strict=True)
        if ids
        for index in ids.split(",")
    }
