"""Word vectors of image labels: which words represent a label, and which labels have no vector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

MAX_LISTED = 100
LINKING = frozenset(("a", "an", "and", "at", "for", "in", "of", "on", "or", "the", "to", "with"))
"""Words that are excluded from means."""
_HEADS_END = frozenset(("of", "for", "in", "with"))
_COLUMNS = ("name", "title", "synset")

Floats = NDArray[np.float32]


class Method(StrEnum):
    """The method by which a label gets its vector. For a synset, its names are its lemmas."""

    NAME = "name"
    """Its name is in the vector file; for a synset, its first lemma or its id."""
    LEMMA = "lemma"
    """Another lemma of its synset is in the file."""
    CLOSED = "closed"
    """Its name or a lemma, written as one word, is in the file: ``sea_horse`` as ``seahorse``."""
    MEAN = "mean"
    """The mean of the unit vectors of all words of its first name."""
    PART = "part"
    """The mean of those words that the file has; the others are listed."""
    HEAD = "head"
    """The headword of its first name."""
    NONE = "none"


@dataclass(frozen=True)
class LabelSource:
    """The source of a label's vector.

    Attributes:
        method: the method that found the vector.
        entries: words of the vector file; the vector is the mean of several.
        unknown: words of the label that are not in the file.
    """

    name: str
    method: Method
    entries: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelCoverage:
    """The sources of all labels' vectors.

    Attributes:
        sources: one per label, in order.
        same_vector: groups of labels with the same vector, which cannot be distinguished.
        ambiguous: plain names without a synset because several synsets have the name.
        guessed: plain names whose synset was inferred because it is the only one with the name.
        unsmoothed: if vectors are smoothed, labels without hypernyms, whose vectors are not.
    """

    policy: str
    sources: tuple[LabelSource, ...]
    same_vector: tuple[tuple[str, ...], ...] = ()
    ambiguous: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    unsmoothed: tuple[str, ...] = ()

    @property
    def without_vector(self) -> tuple[str, ...]:
        """The labels without a vector."""
        return tuple(source.name for source in self.sources if source.method is Method.NONE)

    def count(self, method: Method) -> int:
        """The number of labels whose vector was found by the method."""
        return sum(source.method is method for source in self.sources)

    def __str__(self) -> str:
        methods = Counter(source.method for source in self.sources)
        counts = ", ".join(
            f"{methods[method]:,} by {method}" for method in Method if method is not Method.NONE and methods[method]
        )
        with_vector = len(self.sources) - methods[Method.NONE]
        text = f"{with_vector:,} of {len(self.sources):,} labels (policy {self.policy}) have a vector"
        text += f": {counts}." if counts else "."
        parts = [f"{s.name} (not {', '.join(s.unknown)})" for s in self.sources if s.method is Method.PART]
        remarks = (
            ("Without", self.without_vector),
            ("From some of their words", parts),
            ("Sharing a vector", [" = ".join(group) for group in self.same_vector]),
            ("Without a synset, since several synsets have the name", self.ambiguous),
            ("With the only synset that has the name", self.guessed),
            (f"Not smoothed, {len(self.unsmoothed):,} without hypernyms", self.unsmoothed),
        )
        return text + "".join(f" {remark}: {_listed(names)}." for remark, names in remarks if names)

    def table(self) -> str:
        """Tab-separated lines of label, method, words of the vector file, and unknown words, after a header."""
        rows = [
            (source.name, str(source.method), ", ".join(source.entries), ", ".join(source.unknown))
            for source in self.sources
        ]
        return "".join("\t".join(row) + "\n" for row in [("label", "how", "words", "unknown"), *rows])


@dataclass(frozen=True, eq=False)
class LabelTable:
    """L labels with their vectors.

    Attributes:
        names: distinct folder names or synset ids.
        titles: names for display.
        synsets: synset ids, None if unknown.
        vectors: (L, D) unit vectors.
    """

    names: tuple[str, ...]
    titles: tuple[str, ...]
    synsets: tuple[str | None, ...]
    vectors: Floats

    def __len__(self) -> int:
        return len(self.names)

    @property
    def dim(self) -> int:
        """D, the vector dimension."""
        return int(self.vectors.shape[1])

    def chosen(self, rows: Sequence[int] | NDArray[np.int64]) -> LabelTable:
        """The labels at ``rows``, in that order."""
        indices = np.asarray(rows, np.int64)
        names, titles, synsets = (
            tuple(column[row] for row in indices) for column in (self.names, self.titles, self.synsets)
        )
        return LabelTable(names, titles, synsets, self.vectors[indices])

    def save(self, folder: Path) -> None:
        """Writes ``labels.tsv``, ``vectors.npy`` and ``checksums.json`` into a new folder."""
        with atomic_folder(folder) as temporary:
            np.save(temporary / "vectors.npy", np.asarray(self.vectors, np.float32))
            rows = zip(self.names, self.titles, (synset or "" for synset in self.synsets), strict=True)
            lines = "".join("\t".join(row) + "\n" for row in [_COLUMNS, *rows])
            (temporary / "labels.tsv").write_bytes(lines.encode())
            write_checksums(temporary)

    @classmethod
    def load(cls, folder: Path) -> LabelTable:
        """Loads what ``save`` wrote.

        Raises:
            UserError: the folder is incomplete or damaged.
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
                f"{folder} is incomplete or damaged ({error}): restore it, or delete it if it is in a cache."
            ) from None
        return cls(names, titles, tuple(synset or None for synset in synsets), vectors)


def label_table(
    names: Sequence[str],
    policy: str,
    lexicon: Lexicon,
    wordnet: WordNet | None = None,
    table: Mapping[str, str] | None = None,
    missing: str = "refuse",
    hypernyms: float = 0.0,
) -> tuple[LabelTable, LabelCoverage]:
    """Finds a vector for each label.

    A label is a synset id or a plain name. The names of a synset id are the id and its lemmas. The names of a plain
    name are itself and the lemmas of its synset: the one in ``table``, or else the only synset with that name. All
    policies use the first name if the vector file has it, with any separator between words and, if necessary, in
    another case. Otherwise,

    - ``exact`` finds no vector;
    - ``any`` uses the first lemma that the file has, or else any of the names written as one word;
    - ``mean`` is like ``any``, or else uses the mean of those words of the first name that the file has;
    - ``head`` is like ``any``, or else uses the headword of the first name: the last word, or the word before "of".

    Args:
        names: L distinct labels.
        policy: one of ``POLICIES``.
        lexicon: words of the vector file.
        wordnet: required for labels that are synset ids, unless the vector file has the ids.
        table: synsets of plain names, see ``synset_table``.
        missing: ``refuse`` labels without a vector, or ``leave_out`` such labels.
        hypernyms: weight of the hypernyms, see ``smoothed``; no smoothing if it is 0 or WordNet has no edges.

    Returns:
        The labels with a vector, in the order of ``names``, and the sources of all labels.

    Raises:
        UserError: labels have no vector and ``missing`` is ``refuse``, or no label has one; all are listed.
        ValueError: a name is duplicated, or ``policy`` or ``missing`` is unknown.
    """
    if policy not in POLICIES or missing not in MISSING or len(set(names)) != len(names):
        raise ValueError(f"policy={policy}, missing={missing}, or a duplicate name.")
    synsets = [_synset(name, wordnet, table or {}) for name in names]
    sources, vectors = _find_vectors(names, synsets, policy, lexicon, wordnet)
    unsmoothed: tuple[str, ...] = ()
    if wordnet is not None and wordnet.has_hypernyms and hypernyms:
        vectors = smoothed(vectors, synsets, lexicon, wordnet, hypernyms)
        unsmoothed = _without_hypernyms(names, synsets, wordnet)
    plain_names = _plain_names(names, wordnet, table or {})
    coverage = LabelCoverage(policy, tuple(sources), _shared_vectors(sources, vectors), *plain_names, unsmoothed)
    rows = [row for row, source in enumerate(sources) if source.method is not Method.NONE]
    if len(rows) < len(names) and (missing == "refuse" or not rows):
        raise UserError(*_refusals(coverage, lexicon, wordnet))
    titles = tuple(_title(name, synset, wordnet) for name, synset in zip(names, synsets, strict=True))
    return LabelTable(tuple(names), titles, tuple(synsets), vectors).chosen(rows), coverage


def _without_hypernyms(names: Sequence[str], synsets: Sequence[str | None], wordnet: WordNet) -> tuple[str, ...]:
    pairs = zip(names, synsets, strict=True)
    return tuple(name for name, synset in pairs if not synset or not wordnet.parents(synset))


def _find_vectors(
    names: Sequence[str], synsets: Sequence[str | None], policy: str, lexicon: Lexicon, wordnet: WordNet | None
) -> tuple[list[LabelSource], Floats]:
    """The source of each label's vector, and (L, D) unsmoothed vectors, zero for labels without one."""
    sources = [
        _find_source(name, _names_of(name, synset, wordnet), policy, lexicon)
        for name, synset in zip(names, synsets, strict=True)
    ]
    vectors = _vectors(sources, lexicon)
    return [
        source if vector.any() else LabelSource(source.name, Method.NONE)
        for source, vector in zip(sources, vectors, strict=True)
    ], vectors


def _plain_names(
    names: Sequence[str], wordnet: WordNet | None, table: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Plain names that are not in the table: those with several synsets, and those with one."""
    plain = [name for name in names if wordnet is not None and not is_synset(name) and name not in table]
    senses = {name: len(wordnet.find(name)) for name in plain} if wordnet is not None else {}
    ambiguous, unique = (tuple(name for name, count in senses.items() if min(count, 2) == number) for number in (2, 1))
    return ambiguous, unique


def headword(name: str) -> str:
    """The head of a noun phrase: the last word, or the word before "of", "for", "in" or "with"."""
    words = words_of(name)
    end = next((index for index, word in enumerate(words) if index and word.lower() in _HEADS_END), len(words))
    return words[end - 1] if words else name


def _synset(name: str, wordnet: WordNet | None, table: Mapping[str, str]) -> str | None:
    if is_synset(name):
        return name if wordnet is None or name in wordnet else None
    if name in table:
        synset = table[name] or None
        return synset if wordnet is None or synset in wordnet else None
    matches = wordnet.find(name) if wordnet is not None else ()
    return matches[0] if len(matches) == 1 else None


def _names_of(name: str, synset: str | None, wordnet: WordNet | None) -> tuple[str, ...]:
    """The names of a label, its own first."""
    lemmas = wordnet.lemmas(synset) if wordnet is not None and synset is not None and synset in wordnet else ()
    return lemmas if is_synset(name) and lemmas else (name, *lemmas)


def _find_source(name: str, names: Sequence[str], policy: str, lexicon: Lexicon) -> LabelSource:
    if is_synset(name) and lexicon.row(name) is not None:
        return LabelSource(name, Method.NAME, (name,))
    finders: tuple[_Finder, ...] = (_by_name, *_METHODS[policy])
    return next(
        (source for finder in finders if (source := finder(name, names, lexicon)) is not None),
        LabelSource(name, Method.NONE),
    )


_Finder = Callable[[str, Sequence[str], Lexicon], LabelSource | None]


def _first(name: str, method: Method, candidates: Iterable[str], lexicon: Lexicon) -> LabelSource | None:
    """The source of the first candidate that the lexicon has."""
    entries = (_entry_of(candidate, lexicon) for candidate in candidates)
    return next((LabelSource(name, method, (entry,)) for entry in entries if entry is not None), None)


def _by_name(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    return _first(name, Method.NAME, names[:1], lexicon)


def _by_lemma(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    return _first(name, Method.LEMMA, names, lexicon)


def _by_closed_form(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    closed_forms = ("".join(words_of(lemma)) for lemma in names if len(words_of(lemma)) > 1)
    return _first(name, Method.CLOSED, closed_forms, lexicon)


def _by_mean(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    words = [word for word in words_of(names[0]) if word.lower() not in LINKING]
    pairs = [(word, _entry_of(word, lexicon)) for word in words]
    unknown = tuple(word for word, entry in pairs if entry is None)
    entries = tuple(entry for _, entry in pairs if entry is not None)
    return LabelSource(name, Method.PART if unknown else Method.MEAN, entries, unknown) if entries else None


def _by_headword(name: str, names: Sequence[str], lexicon: Lexicon) -> LabelSource | None:
    return _first(name, Method.HEAD, (headword(names[0]),), lexicon)


_METHODS: dict[str, tuple[_Finder, ...]] = {
    "exact": (),
    "any": (_by_lemma, _by_closed_form),
    "mean": (_by_lemma, _by_closed_form, _by_mean),
    "head": (_by_lemma, _by_closed_form, _by_headword),
}


def _entry_of(word: str, lexicon: Lexicon) -> str | None:
    row = lexicon.row(word)
    return None if row is None else lexicon.words[row]


def _vectors(sources: Sequence[LabelSource], lexicon: Lexicon) -> Floats:
    """(L, D) unit vectors, zero for labels without entries."""
    matrix = np.zeros((len(sources), lexicon.dim), np.float32)
    rows = [row for row, source in enumerate(sources) for _ in source.entries]
    np.add.at(matrix, rows, lexicon.units([lexicon.row(entry) or 0 for source in sources for entry in source.entries]))
    return unit_rows(matrix)


def _shared_vectors(sources: Sequence[LabelSource], vectors: Floats) -> tuple[tuple[str, ...], ...]:
    groups: dict[tuple[tuple[str, ...], bytes], list[str]] = {}
    for source, vector in zip(sources, vectors, strict=True):
        if source.entries:
            # Hypernyms distinguish labels with the same words. The order of entries changes the last digits, so round;
            # adding 0.0 turns -0.0 into 0.0.
            key = (np.round(vector, 4) + 0.0).tobytes()
            groups.setdefault((tuple(sorted(source.entries)), key), []).append(source.name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _title(name: str, synset: str | None, wordnet: WordNet | None) -> str:
    if is_synset(name):
        return wordnet.lemmas(name)[0] if wordnet is not None and synset is not None else name
    return " ".join(words_of(name)) or name


def _refusals(coverage: LabelCoverage, lexicon: Lexicon, wordnet: WordNet | None) -> Iterator[str]:
    missing = coverage.without_vector
    yield (
        f"{len(missing):,} of {len(coverage.sources):,} labels have no vector in {lexicon.name or 'the vector file'} "
        f"with data.policy={coverage.policy}: {_listed(missing)}. Choose another policy ({', '.join(POLICIES)}) "
        "or vector file, or set data.missing=leave_out to leave out these labels and their images."
    )
    if wordnet is None and any(map(is_synset, missing)):
        example = next(filter(is_synset, missing))
        yield f"{example} is a synset, whose words are in WordNet's words.txt: set data.wordnet to its folder."


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more:,} more" if more > 0 else "")
