"""WordNet's nouns and their hierarchy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqvise.errors import UserError
from seqvise.vectors.lexicon import fold

SYNSET = re.compile(r"n\d{8}")
UNREACHABLE = int(np.iinfo(np.int16).max)
"""The distance between synsets that no path joins."""

Ids = NDArray[np.int64]
Distances = NDArray[np.int16]


@dataclass(frozen=True)
class _Links:
    """Neighbours of each row: those of row n are ``ends[starts[n] : starts[n + 1]]``."""

    starts: Ids
    ends: Ids

    @classmethod
    def of(cls, count: int, origins: Ids, ends: Ids) -> _Links:
        order = np.argsort(origins, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(origins, minlength=count))])
        return cls(starts, ends[order])

    def from_row(self, row: int) -> Ids:
        return self.ends[self.starts[row] : self.starts[row + 1]]


class WordNet:
    """Noun synsets: their lemmas, and the hypernym edges between them.

    Attributes:
        synsets: their ids, as ``n02084071``, in the file's order.

    Args:
        lemmas: the lemmas of each synset, ``", "`` between them, by its id.
        edges: parent and child ids.
    """

    def __init__(self, lemmas: dict[str, str], edges: Sequence[tuple[str, str]] = ()) -> None:
        self.synsets = tuple(lemmas)
        self._text = lemmas
        self._row = {synset: row for row, synset in enumerate(self.synsets)}
        pairs = np.array([(self._row[parent], self._row[child]) for parent, child in edges], np.int64).reshape(-1, 2)
        self._up = _Links.of(len(lemmas), pairs[:, 1], pairs[:, 0])
        self._down = _Links.of(len(lemmas), pairs[:, 0], pairs[:, 1])
        both = np.concatenate([pairs, pairs[:, ::-1]])
        self._around = _Links.of(len(lemmas), both[:, 0], both[:, 1])

    @classmethod
    def read(cls, words: Path, edges: Path | None = None) -> WordNet:
        """Reads the files of the ImageNet project.

        Args:
            words: ``words.txt``, lines of a synset id, a tab and its lemmas.
            edges: ``parent_child.txt`` or ``wordnet.is_a.txt``, lines of two synset ids.

        Raises:
            UserError: a file is missing, or a line is of another form; file and line are named.
        """
        lemmas = _read_words(words)
        return cls(lemmas, [] if edges is None else _read_edges(edges, lemmas))

    def __len__(self) -> int:
        return len(self.synsets)

    def __contains__(self, synset: object) -> bool:
        return synset in self._row

    def lemmas(self, synset: str) -> tuple[str, ...]:
        """The synset's words, WordNet's first one first: ``("dog", "domestic dog", "Canis familiaris")``."""
        return tuple(self._text[synset].split(", "))

    def find(self, name: str) -> tuple[str, ...]:
        """The synsets that have ``name`` as a lemma, in the file's order, whatever its case and signs between words."""
        return self._by_lemma.get(fold(name), ())

    def parents(self, synset: str) -> tuple[str, ...]:
        """Its hypernyms; several where it is of more than one kind."""
        return self._ids(self._up.from_row(self._row[synset]))

    def children(self, synset: str) -> tuple[str, ...]:
        """Its hyponyms."""
        return self._ids(self._down.from_row(self._row[synset]))

    def ancestors(self, synset: str) -> tuple[str, ...]:
        """All that the synset is a kind of, the nearest first, without itself."""
        steps = _steps(self._down, [self._row[synset]], np.arange(len(self)))[0]
        rows = np.flatnonzero((steps > 0) & (steps < UNREACHABLE))
        return self._ids(rows[np.argsort(steps[rows], kind="stable")])

    def levels(self, synset: str) -> list[tuple[str, ...]]:
        """Its hypernyms by the length of the shortest path up: the parents, then what these are kinds of, ..."""
        reached, level = {self._row[synset]}, [self._row[synset]]
        levels = []
        while level := list(
            dict.fromkeys(int(up) for row in level for up in self._up.from_row(row) if up not in reached)
        ):
            reached.update(level)
            levels.append(self._ids(level))
        return levels

    @property
    def has_hypernyms(self) -> bool:
        """Whether there are any edges between the synsets."""
        return len(self._up.ends) > 0

    def distance(self, first: str, second: str) -> int | None:
        """Edges of the shortest path, up or down; None where no path joins the two."""
        found = int(self.distances([first], [second])[0, 0])
        return None if found == UNREACHABLE else found

    def distances(self, synsets: Sequence[str | None], candidates: Sequence[str | None]) -> Distances:
        """Edges of the shortest path from each synset to each candidate, up or down.

        A None is a label without a synset: it is at distance 0 from nothing, and unreachable.

        Returns:
            (S, C) ``UNREACHABLE`` where no path joins the two.
        """
        different = list(dict.fromkeys(synset for synset in synsets if synset is not None))
        known = [place for place, candidate in enumerate(candidates) if candidate is not None]
        ends = np.array([self._row[candidates[place] or ""] for place in known], np.int64)
        steps = dict(zip(different, _steps(self._around, [self._row[one] for one in different], ends), strict=True))
        matrix = np.full((len(synsets), len(candidates)), UNREACHABLE, np.int16)
        for row, synset in enumerate(synsets):
            if synset is not None:
                matrix[row, known] = steps[synset]
        return matrix

    def closest(self, synset: str, candidates: Sequence[str], k: int) -> list[tuple[str, int]]:
        """The k candidates with the shortest paths and their lengths; of equal ones the first; unreachable ones not."""
        found = self.distances([synset], candidates)[0]
        order = np.argsort(found, kind="stable")[:k]
        return [(candidates[row], int(found[row])) for row in order if found[row] < UNREACHABLE]

    @cached_property
    def _by_lemma(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for synset in self.synsets:
            for name in dict.fromkeys(map(fold, self.lemmas(synset))):
                found[name] = (*found.get(name, ()), synset)
        return found

    def _ids(self, rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.synsets[row] for row in rows)


def is_synset(name: str) -> bool:
    """Whether a name is written as the id of a noun synset."""
    return SYNSET.fullmatch(name) is not None


def read_class_index(path: Path) -> list[tuple[str, str]]:
    """ImageNet's classes, the synset id and the name of each, from ``imagenet_class_index.json``.

    Raises:
        UserError: the file is missing or of another form.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = [found[str(number)] for number in range(len(found))]
        if not all(len(row) == 2 and is_synset(row[0]) for row in rows):
            raise ValueError("not a synset id and a name for each class")
        return [(str(synset), str(name)) for synset, name in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not ImageNet's class index, as in {{'0': ['n01440764', 'tench']}}: {error}."
        ) from None


def _steps(links: _Links, sources: Sequence[int], targets: Ids) -> Distances:
    """(S, T) steps along the links from each target row to each source.

    All sources go at once, a bit each: a row is reached in one step more where one that it links to was reached.
    """
    linked = np.flatnonzero(np.diff(links.starts))
    reached = _bits(len(links.starts) - 1, sources)
    steps = np.zeros((len(targets), len(sources)), np.int16)
    while True:
        missed = np.unpackbits(~reached[targets].view(np.uint8), axis=1, count=len(sources))
        steps += missed
        after = reached.copy()
        if len(linked):
            after[linked] |= np.bitwise_or.reduceat(reached[links.ends], links.starts[linked], axis=0)
        if np.array_equal(after, reached):
            steps[missed == 1] = UNREACHABLE
            return steps.T
        reached = after


def _bits(count: int, sources: Sequence[int]) -> NDArray[np.uint64]:
    """(count, S / 64) a bit for each source, set in its row."""
    marks = np.zeros((count, -(-len(sources) // 64) * 64), np.bool_)
    marks[list(sources), range(len(sources))] = True
    return np.packbits(marks, axis=1).view(np.uint64)


def _read_words(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in _lines(path):
        synset, tab, lemmas = line.partition("\t")
        if not tab or not lemmas or "\t" in lemmas or not is_synset(synset):
            raise UserError(f"{path}, line {number} is '{line[:60]}', but must be a synset id, a tab and its words.")
        found[synset] = lemmas
    return found


def _read_edges(path: Path, known: dict[str, str]) -> list[tuple[str, str]]:
    found = []
    for number, line in _lines(path):
        parent, _, child = line.partition(" ")
        if parent not in known or child not in known:
            raise UserError(f"{path}, line {number} is '{line[:60]}', but must be two synset ids of the file of words.")
        found.append((parent, child))
    return found


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines that are not empty, with their numbers."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a file of WordNet: {error}.") from None
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def synset_table(file: Path | None, names: Iterable[str]) -> Mapping[str, str]:
    """The synsets of labels: those of a file, or of the built-in table where it has all of the names.

    Args:
        file: lines of a label, a tab and a synset id, which is empty where there is none; None for the built-in one.
        names: the labels, whose case does not matter.

    Returns:
        A synset id for each of the names that the table has, empty where it says that there is none.

    Raises:
        UserError: the file is missing, or a line is of another form.
    """
    wanted = list(names)
    table = {label.casefold(): synset for label, synset in (_read(file) if file else caltech101()).items()}
    found = {name: table[name.casefold()] for name in wanted if name.casefold() in table}
    return found if file is not None or len(found) == len(wanted) else {}


def caltech101() -> Mapping[str, str]:
    """The synsets of Caltech-101's folders, empty for those that WordNet does not know.

    A folder that shows a part of a thing, as ``car_side`` or ``crocodile_head``, has the synset of the thing;
    ``ceiling_fan`` and ``stop_sign``, which WordNet lacks, that of the electric fan and of the street sign.
    """
    return _parsed(
        "caltech101.tsv", resources.files("seqvise.images").joinpath("data/caltech101.tsv").read_text("utf-8")
    )


def _read(file: Path) -> Mapping[str, str]:
    try:
        return _parsed(str(file), file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as a table of synsets: {error}.") from None


def _parsed(name: str, text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        label, tab, synset = line.rstrip("\r").partition("\t")
        if not line.strip():
            continue
        if not tab or (synset and not is_synset(synset)):
            raise UserError(f"{name}, line {number} is '{line}', but must be a label, a tab and a synset as n02084071.")
        if label in found:
            raise UserError(f"{name}, line {number}: '{label}' stands there for the second time.")
        found[label] = synset
    return found
