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

WORDS, EDGES, CLASSES = "words.txt", "parent_child.txt", "imagenet_class_index.json"
SYNSET = re.compile(r"n\d{8}")
UNREACHABLE = int(np.iinfo(np.int16).max)
"""The distance between synsets that are not connected."""

Ids = NDArray[np.int64]
Distances = NDArray[np.int16]


@dataclass(frozen=True)
class _Links:
    """Adjacency lists: the neighbours of row n are ``ends[starts[n] : starts[n + 1]]``."""

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
        synsets: synset ids, such as ``n02084071``, in the file's order.

    Args:
        lemmas: synset id -> its lemmas, separated by ``", "``.
        edges: pairs of parent and child ids.
    """

    def __init__(self, lemmas: dict[str, str], edges: Sequence[tuple[str, str]] = ()) -> None:
        self.synsets = tuple(lemmas)
        self._text = lemmas
        self._row = {synset: row for row, synset in enumerate(self.synsets)}
        pairs = np.array([(self._row[parent], self._row[child]) for parent, child in edges], np.int64).reshape(-1, 2)
        self._up = _Links.of(len(lemmas), pairs[:, 1], pairs[:, 0])
        self._down = _Links.of(len(lemmas), pairs[:, 0], pairs[:, 1])
        both_directions = np.concatenate([pairs, pairs[:, ::-1]])
        self._around = _Links.of(len(lemmas), both_directions[:, 0], both_directions[:, 1])

    @classmethod
    def read(cls, words: Path, edges: Path | None = None) -> WordNet:
        """Reads the files of the ImageNet project.

        Args:
            words: ``words.txt``, with lines of a synset id, a tab and its lemmas.
            edges: ``parent_child.txt`` or ``wordnet.is_a.txt``, with lines of two synset ids.

        Raises:
            UserError: a file is missing, or a line has another form; the message names file and line.
        """
        lemmas = _read_words(words)
        return cls(lemmas, [] if edges is None else _read_edges(edges, lemmas))

    def __len__(self) -> int:
        return len(self.synsets)

    def __contains__(self, synset: object) -> bool:
        return synset in self._row

    def lemmas(self, synset: str) -> tuple[str, ...]:
        """The synset's lemmas in WordNet's order: ``("dog", "domestic dog", "Canis familiaris")``."""
        return tuple(self._text[synset].split(", "))

    def find(self, name: str) -> tuple[str, ...]:
        """The synsets with the lemma ``name``, in the file's order, ignoring case and separators between words."""
        return self._by_lemma.get(fold(name), ())

    def parents(self, synset: str) -> tuple[str, ...]:
        """The direct hypernyms of a synset; it may have several."""
        return self._ids(self._up.from_row(self._row[synset]))

    def children(self, synset: str) -> tuple[str, ...]:
        """The direct hyponyms of a synset."""
        return self._ids(self._down.from_row(self._row[synset]))

    def ancestors(self, synset: str) -> tuple[str, ...]:
        """All hypernyms of a synset, nearest first, without itself."""
        steps = _steps(self._down, [self._row[synset]], np.arange(len(self)))[0]
        rows = np.flatnonzero((steps > 0) & (steps < UNREACHABLE))
        return self._ids(rows[np.argsort(steps[rows], kind="stable")])

    def levels(self, synset: str) -> list[tuple[str, ...]]:
        """All hypernyms grouped by shortest distance: the parents, their parents, ..."""
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
        """Whether there are edges between synsets."""
        return len(self._up.ends) > 0

    def distance(self, first: str, second: str) -> int | None:
        """Number of edges on the shortest path, up or down; None if the synsets are not connected."""
        distance = int(self.distances([first], [second])[0, 0])
        return None if distance == UNREACHABLE else distance

    def distances(self, synsets: Sequence[str | None], candidates: Sequence[str | None]) -> Distances:
        """Number of edges on the shortest path, up or down, from each synset to each candidate.

        None is a label without a synset; it is unreachable, even from itself.

        Returns:
            (S, C); ``UNREACHABLE`` for unconnected synsets.
        """
        unique = list(dict.fromkeys(synset for synset in synsets if synset is not None))
        columns = [column for column, candidate in enumerate(candidates) if candidate is not None]
        ends = np.array([self._row[candidates[column] or ""] for column in columns], np.int64)
        steps = dict(zip(unique, _steps(self._around, [self._row[synset] for synset in unique], ends), strict=True))
        matrix = np.full((len(synsets), len(candidates)), UNREACHABLE, np.int16)
        for row, synset in enumerate(synsets):
            if synset is not None:
                matrix[row, columns] = steps[synset]
        return matrix

    def closest(self, synset: str, candidates: Sequence[str], k: int) -> list[tuple[str, int]]:
        """The k nearest reachable candidates with their distances; ties are in the order of the candidates."""
        distances = self.distances([synset], candidates)[0]
        order = np.argsort(distances, kind="stable")[:k]
        return [(candidates[row], int(distances[row])) for row in order if distances[row] < UNREACHABLE]

    @cached_property
    def _by_lemma(self) -> dict[str, tuple[str, ...]]:
        synsets: dict[str, tuple[str, ...]] = {}
        for synset in self.synsets:
            for name in dict.fromkeys(map(fold, self.lemmas(synset))):
                synsets[name] = (*synsets.get(name, ()), synset)
        return synsets

    def _ids(self, rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.synsets[row] for row in rows)


def is_synset(name: str) -> bool:
    """Whether a name has the form of a noun synset id."""
    return SYNSET.fullmatch(name) is not None


def read_class_index(path: Path) -> list[tuple[str, str]]:
    """Reads (synset id, name) of each ImageNet class from ``imagenet_class_index.json``.

    Raises:
        UserError: the file is missing or has another form.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [content[str(number)] for number in range(len(content))]
        if not all(len(row) == 2 and is_synset(row[0]) for row in rows):
            raise ValueError("not a synset id and a name for each class")
        return [(str(synset), str(name)) for synset, name in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not ImageNet's class index, such as {{'0': ['n01440764', 'tench']}}: {error}."
        ) from None


def _steps(links: _Links, sources: Sequence[int], targets: Ids) -> Distances:
    """(S, T) number of steps along the links from each target row to each source.

    A breadth-first search for all sources at once, with one bit per source: a row is reached one step after a row
    that it links to.
    """
    rows_with_links = np.flatnonzero(np.diff(links.starts))
    reached = _bits(len(links.starts) - 1, sources)
    steps = np.zeros((len(targets), len(sources)), np.int16)
    while True:
        is_unreached = np.unpackbits(~reached[targets].view(np.uint8), axis=1, count=len(sources))
        steps += is_unreached
        next_reached = reached.copy()
        if len(rows_with_links):
            next_reached[rows_with_links] |= np.bitwise_or.reduceat(
                reached[links.ends], links.starts[rows_with_links], axis=0
            )
        if np.array_equal(next_reached, reached):
            steps[is_unreached == 1] = UNREACHABLE
            return steps.T
        reached = next_reached


def _bits(count: int, sources: Sequence[int]) -> NDArray[np.uint64]:
    """(count, S / 64) bit sets with one bit per source, set in its row."""
    marks = np.zeros((count, -(-len(sources) // 64) * 64), np.bool_)
    marks[list(sources), range(len(sources))] = True
    return np.packbits(marks, axis=1).view(np.uint64)


def _read_words(path: Path) -> dict[str, str]:
    lemmas_by_synset: dict[str, str] = {}
    for number, line in _lines(path):
        synset, tab, lemmas = line.partition("\t")
        if not tab or not lemmas or "\t" in lemmas or not is_synset(synset):
            raise UserError(f"{path}, line {number} is '{line[:60]}', but must be a synset id, a tab and its words.")
        lemmas_by_synset[synset] = lemmas
    return lemmas_by_synset


def _read_edges(path: Path, lemmas: dict[str, str]) -> list[tuple[str, str]]:
    edges = []
    for number, line in _lines(path):
        parent, _, child = line.partition(" ")
        if parent not in lemmas or child not in lemmas:
            raise UserError(f"{path}, line {number} is '{line[:60]}', but must be two synset ids of words.txt.")
        edges.append((parent, child))
    return edges


def _lines(path: Path) -> list[tuple[int, str]]:
    """The non-empty lines with their line numbers."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a file of WordNet: {error}.") from None
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def synset_table(file: Path | None, names: Iterable[str]) -> Mapping[str, str]:
    """The synsets of labels, from a file or, if it has all of the names, from the built-in table.

    Args:
        file: lines of a label, a tab and a synset id, which may be empty; None for the built-in table.
        names: the labels; case is ignored.

    Returns:
        Name -> synset id for all names in the table; the id is empty for labels without a synset.

    Raises:
        UserError: the file is missing, or a line has another form.
    """
    labels = list(names)
    table = {label.casefold(): synset for label, synset in (_read(file) if file else caltech101()).items()}
    synsets = {name: table[name.casefold()] for name in labels if name.casefold() in table}
    return synsets if file is not None or len(synsets) == len(labels) else {}


def caltech101() -> Mapping[str, str]:
    """The synsets of Caltech-101's folders; empty for those that are not in WordNet.

    Folders of parts, such as ``car_side`` or ``crocodile_head``, have the synset of the whole. ``ceiling_fan`` and
    ``stop_sign``, which are not in WordNet, have the synsets of electric fan and street sign.
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
    synsets: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        label, tab, synset = line.rstrip("\r").partition("\t")
        if not line.strip():
            continue
        if not tab or (synset and not is_synset(synset)):
            raise UserError(
                f"{name}, line {number} is '{line}', but must be a label, a tab and a synset like n02084071."
            )
        if label in synsets:
            raise UserError(f"{name}, line {number}: '{label}' is a duplicate.")
        synsets[label] = synset
    return synsets
