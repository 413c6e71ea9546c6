"""Labels of images as vectors of words: which words stand for a label, and what could not be found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqvise.checksums import check_checksums, write_checksums
from seqvise.errors import UserError
from seqvise.files import atomic_folder
from seqvise.images.hypernyms import smoothed
from seqvise.images.options import MISSING, POLICIES
from seqvise.images.wordnet import WordNet, is_synset
from seqvise.vectors.lexicon import Lexicon, unit_rows, words_of

SHOWN = 100
LINKING = frozenset(("a", "an", "and", "at", "for", "in", "of", "on", "or", "the", "to", "with"))
"""Words that a mean leaves out."""
_HEADS_END = frozenset(("of", "for", "in", "with"))
_COLUMNS = ("name", "title", "synset")

Floats = NDArray[np.float32]


class How(StrEnum):
    """How a label got its vector."""

    NAME = "name"
    """Its name is in the vector file; of a synset, its first lemma or its id."""
    LEMMA = "lemma"
    """Another lemma of its synset is."""
    CLOSED = "closed"
    """Its name, or a lemma, is when written as one word: ``sea_horse`` as ``seahorse``."""
    MEAN = "mean"
    """The mean of the unit vectors of all words of its name; of a synset, of its first lemma."""
    PART = "part"
    """The same of those words that the file has; the others are named."""
    HEAD = "head"
    """The headword of its name; of a synset, of its first lemma."""
    NONE = "none"


@dataclass(frozen=True)
class LabelSource:
    """Where a label's vector comes from.

    Attributes:
        name: the label.
        how: by which of the ways.
        entries: words of the vector file, whose mean it is where they are several.
        unknown: words of the label that the file lacks.
    """

    name: str
    how: How
    entries: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """What became of every label.

    Attributes:
        policy: the label policy.
        found: one for each label, in order.
        alike: groups of labels that share a vector and cannot be told apart.
        ambiguous: plain names that several synsets have, so that none was chosen.
        guessed: plain names whose synset is the only one that has the name, and no table says so.
        unsmoothed: where hypernyms smooth the vectors, the labels that have none and keep their own vector.
    """

    policy: str
    found: tuple[LabelSource, ...]
    alike: tuple[tuple[str, ...], ...] = ()
    ambiguous: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    unsmoothed: tuple[str, ...] = ()

    @property
    def without(self) -> tuple[str, ...]:
        """The labels that got no vector."""
        return tuple(one.name for one in self.found if one.how is How.NONE)

    def count(self, how: How) -> int:
        """How many labels got their vector in a way."""
        return sum(one.how is how for one in self.found)

    def __str__(self) -> str:
        ways = Counter(one.how for one in self.found)
        told = ", ".join(f"{ways[how]:,} by {how}" for how in How if how is not How.NONE and ways[how])
        text = (
            f"Of {len(self.found):,} labels (policy {self.policy}), {len(self.found) - ways[How.NONE]:,} have a vector"
        )
        text += f": {told}." if told else "."
        if self.without:
            text += f" Without: {_shown(self.without)}."
        if parts := [f"{one.name} (not {', '.join(one.unknown)})" for one in self.found if one.how is How.PART]:
            text += f" From a part of their words: {_shown(parts)}."
        if self.alike:
            text += f" Sharing a vector: {_shown([' = '.join(group) for group in self.alike])}."
        if self.ambiguous:
            text += f" Without a synset, since several have the name: {_shown(self.ambiguous)}."
        if self.guessed:
            text += f" Of the only synset that has the name: {_shown(self.guessed)}."
        if self.unsmoothed:
            text += f" Not smoothed, {len(self.unsmoothed):,} without hypernyms: {_shown(self.unsmoothed)}."
        return text

    def table(self) -> str:
        """Lines of label, way, words of the vector file, and unknown words; tabs between, a header first."""
        rows = [(one.name, str(one.how), ", ".join(one.entries), ", ".join(one.unknown)) for one in self.found]
        return "".join("\t".join(row) + "\n" for row in [("label", "how", "words", "unknown"), *rows])


@dataclass(frozen=True, eq=False)
class LabelTable:
    """L labels with a vector each.

    Attributes:
        names: folder names or synset ids, all different.
        titles: what a person reads.
        synsets: the synset of each, where one is known.
        vectors: (L, D) rows of length 1.
    """

    names: tuple[str, ...]
    titles: tuple[str, ...]
    synsets: tuple[str | None, ...]
    vectors: Floats

    def __len__(self) -> int:
        return len(self.names)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    def chosen(self, rows: Sequence[int] | NDArray[np.int64]) -> LabelTable:
        """Some of the labels, in the order of ``rows``."""
        places = np.asarray(rows, np.int64)
        names, titles, synsets = (
            tuple(column[row] for row in places) for column in (self.names, self.titles, self.synsets)
        )
        return LabelTable(names, titles, synsets, self.vectors[places])

    def save(self, folder: Path) -> None:
        """Writes ``labels.tsv``, ``vectors.npy`` and ``checksums.json`` into a new folder."""
        with atomic_folder(folder) as temporary:
            np.save(temporary / "vectors.npy", np.asarray(self.vectors, np.float32))
            rows = zip(self.names, self.titles, (one or "" for one in self.synsets), strict=True)
            lines = "".join("\t".join(row) + "\n" for row in [_COLUMNS, *rows])
            (temporary / "labels.tsv").write_bytes(lines.encode())
            write_checksums(temporary)

    @classmethod
    def load(cls, folder: Path) -> LabelTable:
        """Reads what ``save`` wrote.

        Raises:
            UserError: the folder holds no whole table of labels.
        """
        try:
            lines = (folder / "labels.tsv").read_bytes().decode().split("\n")[1:-1]
            vectors = np.load(folder / "vectors.npy", allow_pickle=False)
            names, titles, synsets = zip(*(line.split("\t") for line in lines), strict=True)
            if vectors.ndim != 2 or len(vectors) != len(names):
                raise ValueError(f"{len(names)} labels and {vectors.shape} vectors")
            check_checksums(folder)
        except (OSError, EOFError, ValueError) as error:
            raise UserError(
                f"{folder} is not a whole folder of labels ({error}): restore it, or delete it if it is in a cache."
            ) from None
        return cls(names, titles, tuple(one or None for one in synsets), vectors)


def label_table(
    names: Sequence[str],
    policy: str,
    lexicon: Lexicon,
    wordnet: WordNet | None = None,
    table: Mapping[str, str] | None = None,
    missing: str = "refuse",
    key: str = "data",
    hypernyms: float = 0.0,
) -> tuple[LabelTable, Coverage]:
    """A vector for each label.

    A label is a synset id or a plain name. The names it can go by are, for a synset, the id and then its lemmas; for a
    plain name, itself and then the lemmas of its synset: that of ``table``, else the only one that has the name.
    Every policy takes the first name where the vector file has it, with any of the signs between its words and, if it
    must be, in other case. Where it has not,

    - ``exact`` gives up;
    - ``any`` takes the first lemma that the file has, and then any of the names written as one word;
    - ``mean`` does so, and then takes the mean of the first name's words, of those that the file has;
    - ``head`` does as ``any``, and then takes the headword of the first name: the last word, or that before "of".

    Args:
        names: L labels, all different.
        policy: one of ``POLICIES``.
        lexicon: the vector file.
        wordnet: needed for labels that are synset ids, unless the vector file has the ids themselves.
        table: synsets of plain names, as ``synset_table`` reads them.
        missing: ``refuse`` labels without a vector, or ``leave_out`` of the table.
        key: the config node, for messages.
        hypernyms: weight of the hypernyms that smooth the vectors, see ``smoothed``; 0 or without edges: none do.

    Returns:
        The labels with a vector, in the order of ``names``, and what became of each.

    Raises:
        UserError: a label has no vector and ``missing`` is ``refuse``, or none has one; all are named.
        ValueError: two names are the same, or ``policy`` or ``missing`` is unknown.
    """
    if policy not in POLICIES or missing not in MISSING or len(set(names)) != len(names):
        raise ValueError(f"policy={policy}, missing={missing}, or a name that stands twice.")
    synsets = [_synset(name, wordnet, table or {}) for name in names]
    found, vectors = _found(names, synsets, policy, lexicon, wordnet)
    vectors, unsmoothed = _smoothed(vectors, names, synsets, lexicon, wordnet, hypernyms)
    coverage = Coverage(policy, tuple(found), _alike(found, vectors), *_untold(names, wordnet, table or {}), unsmoothed)
    _refuse_missing(coverage, missing, lexicon, wordnet, key)
    rows = [row for row, one in enumerate(found) if one.how is not How.NONE]
    titles = tuple(_title(name, one, wordnet) for name, one in zip(names, synsets, strict=True))
    return LabelTable(tuple(names), titles, tuple(synsets), vectors).chosen(rows), coverage


def _found(
    names: Sequence[str], synsets: Sequence[str | None], policy: str, lexicon: Lexicon, wordnet: WordNet | None
) -> tuple[list[LabelSource], Floats]:
    """Where each label's vector comes from, and (L, D) the vectors of words alone; a vector of zeros is none."""
    found = [_find(name, _names(name, one, wordnet), policy, lexicon) for name, one in zip(names, synsets, strict=True)]
    vectors = _vectors(found, lexicon)
    return [
        one if vector.any() else LabelSource(one.name, How.NONE) for one, vector in zip(found, vectors, strict=True)
    ], vectors


def _smoothed(
    vectors: Floats,
    names: Sequence[str],
    synsets: Sequence[str | None],
    lexicon: Lexicon,
    wordnet: WordNet | None,
    weight: float,
) -> tuple[Floats, tuple[str, ...]]:
    """(L, D) the vectors with those of hypernyms, and the labels that have none; without hypernyms as they were."""
    if wordnet is None or not wordnet.has_hypernyms or not weight:
        return vectors, ()
    alone = tuple(name for name, one in zip(names, synsets, strict=True) if not one or not wordnet.parents(one))
    return smoothed(vectors, synsets, lexicon, wordnet, weight), alone


def _untold(
    names: Sequence[str], wordnet: WordNet | None, table: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Plain names whose synset no table tells: those of several synsets, and those of one."""
    plain = [name for name in names if wordnet is not None and not is_synset(name) and name not in table]
    senses = {name: len(wordnet.find(name)) for name in plain} if wordnet is not None else {}
    several, one = (tuple(name for name, count in senses.items() if min(count, 2) == least) for least in (2, 1))
    return several, one


def headword(name: str) -> str:
    """The word that says what a named thing is: the last one, or that before "of", "for", "in" or "with"."""
    words = words_of(name)
    end = next((place for place, word in enumerate(words) if place and word.lower() in _HEADS_END), len(words))
    return words[end - 1] if words else name


def _synset(name: str, wordnet: WordNet | None, table: Mapping[str, str]) -> str | None:
    if is_synset(name):
        return name if wordnet is None or name in wordnet else None
    if name in table:
        found = table[name] or None
        return found if wordnet is None or found in wordnet else None
    known = wordnet.find(name) if wordnet is not None else ()
    return known[0] if len(known) == 1 else None


def _names(name: str, synset: str | None, wordnet: WordNet | None) -> tuple[str, ...]:
    """The names that a label goes by, the first one being its own."""
    lemmas = wordnet.lemmas(synset) if wordnet is not None and synset is not None and synset in wordnet else ()
    return lemmas if is_synset(name) and lemmas else (name, *lemmas)


def _find(name: str, names: Sequence[str], policy: str, lexicon: Lexicon) -> LabelSource:
    if is_synset(name) and lexicon.row(name) is not None:
        return LabelSource(name, How.NAME, (name,))
    ways: tuple[_Way, ...] = (_whole, *_WAYS[policy])
    return next(
        (found for way in ways if (found := way(name, names, lexicon)) is not None), LabelSource(name, How.NONE)
    )


_Way = Callable[[str, Sequence[str], Lexicon], LabelSource | None]


def _whole(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    entry = _entry(names[0], lexicon)
    return None if entry is None else LabelSource(name, How.NAME, (entry,))


def _lemma(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    return next((LabelSource(name, How.LEMMA, (one,)) for lemma in names if (one := _entry(lemma, lexicon))), None)


def _closed(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    written = ("".join(words_of(lemma)) for lemma in names if len(words_of(lemma)) > 1)
    return next((LabelSource(name, How.CLOSED, (one,)) for word in written if (one := _entry(word, lexicon))), None)


def _mean(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    words = [word for word in words_of(names[0]) if word.lower() not in LINKING]
    found = [(word, _entry(word, lexicon)) for word in words]
    unknown = tuple(word for word, entry in found if entry is None)
    entries = tuple(entry for _, entry in found if entry is not None)
    return LabelSource(name, How.PART if unknown else How.MEAN, entries, unknown) if entries else None


def _head(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    entry = _entry(headword(names[0]), lexicon)
    return None if entry is None else LabelSource(name, How.HEAD, (entry,))


_WAYS: dict[str, tuple[_Way, ...]] = {
    "exact": (),
    "any": (_lemma, _closed),
    "mean": (_lemma, _closed, _mean),
    "head": (_lemma, _closed, _head),
}


def _entry(word: str, lexicon: Lexicon) -> str | None:
    row = lexicon.row(word)
    return None if row is None else lexicon.words[row]


def _vectors(found: Sequence[LabelSource], lexicon: Lexicon) -> Floats:
    """(L, D) unit rows, zero where nothing was found."""
    matrix = np.zeros((len(found), lexicon.dim), np.float32)
    places = [place for place, one in enumerate(found) for _ in one.entries]
    np.add.at(matrix, places, lexicon.units([lexicon.row(entry) or 0 for one in found for entry in one.entries]))
    return unit_rows(matrix)


def _alike(found: Sequence[LabelSource], vectors: Floats) -> tuple[tuple[str, ...], ...]:
    groups: dict[tuple[tuple[str, ...], bytes], list[str]] = {}
    for one, vector in zip(found, vectors, strict=True):
        if one.entries:
            # Hypernyms tell apart labels of one word. The order of the entries moves the last digits; -0 becomes 0.
            rounded = (np.round(vector, 4) + 0.0).tobytes()
            groups.setdefault((tuple(sorted(one.entries)), rounded), []).append(one.name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _title(name: str, synset: str | None, wordnet: WordNet | None) -> str:
    if is_synset(name):
        return wordnet.lemmas(name)[0] if wordnet is not None and synset is not None else name
    return " ".join(words_of(name)) or name


def _refuse_missing(coverage: Coverage, missing: str, lexicon: Lexicon, wordnet: WordNet | None, key: str) -> None:
    absent = len(coverage.without)
    if absent and (missing == "refuse" or absent == len(coverage.found)):
        raise UserError(*_refusals(coverage, lexicon, wordnet, key))


def _refusals(coverage: Coverage, lexicon: Lexicon, wordnet: WordNet | None, key: str) -> Iterator[str]:
    without = coverage.without
    yield (
        f"{len(without):,} of {len(coverage.found):,} labels have no vector in {lexicon.name or 'the vector file'} "
        f"with {key}.policy={coverage.policy}: {_shown(without)}. Choose another policy ({', '.join(POLICIES)}) "
        f"or vector file, or set {key}.missing=leave_out to go on without these labels and their images."
    )
    if wordnet is None and any(map(is_synset, without)):
        example = next(filter(is_synset, without))
        yield f"{example} is a synset, whose words stand in WordNet's words.txt: set {key}.wordnet to its folder."


def _shown(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
