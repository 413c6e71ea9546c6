"""The word space of an image data set: vectors of its labels, of WordNet's nouns and of the backbone's classes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqvise.config.options import Config
from seqvise.errors import UserError
from seqvise.files import write_text
from seqvise.images.labels import LabelCoverage, LabelTable, label_table
from seqvise.images.listing import ImageParts, ImageSplit, seen_and_held_out
from seqvise.images.options import ImageOptions
from seqvise.images.wordnet import CLASSES, EDGES, WORDS, WordNet, read_class_index, synset_table
from seqvise.paths import cache_folder
from seqvise.vectors.lexicon import Lexicon, words_of
from seqvise.vectors.whiten import whitened

log = logging.getLogger(__name__)

LABELS_FOLDER, WORDS_FOLDER, COVERAGE = "labels", "words", "coverage.tsv"


@dataclass(frozen=True, eq=False)
class WordSpace:
    """Labels and words in one vector space.

    Attributes:
        lexicon: the words that are saved with the run.
        wordnet: the nouns and their hierarchy; None without ``data.wordnet``.
        coverage: the source of each label's vector.
    """

    data: ImageOptions
    lexicon: Lexicon
    wordnet: WordNet | None
    labels: LabelTable
    coverage: LabelCoverage

    def nouns(self) -> LabelTable:
        """All nouns of WordNet with a vector by the label policy."""
        assert self.wordnet is not None
        return self._table(self.wordnet.synsets)

    def classes(self, count: int) -> NDArray[np.float32]:
        """(count, D) vectors of ImageNet's classes; zeros for classes without a vector.

        Raises:
            UserError: WordNet's folder has no list of these classes, or the list has another length.
        """
        if self.wordnet is None:
            raise UserError(
                f"model.prior needs data.wordnet, a folder with {WORDS} and {CLASSES}: set it, or model.prior=0."
            )
        file = Path(self.data.wordnet or "") / CLASSES
        synsets = [synset for synset, _ in read_class_index(file)]
        if len(synsets) != count:
            raise UserError(
                f"The backbone has {count} classes, but {file} has {len(synsets)}: use weights that were trained on "
                "those, or set model.prior=0."
            )
        table = self._table(synsets)
        vectors = np.zeros((count, self.lexicon.dim), np.float32)
        vectors[[synsets.index(name) for name in table.names]] = table.vectors
        return vectors

    def known_synsets(self) -> set[str]:
        """ImageNet's classes and all their hypernyms; empty without WordNet or without the list of classes."""
        file = Path(self.data.wordnet or "") / CLASSES
        if self.wordnet is None or not file.is_file():
            return set()
        classes = {synset for synset, _ in read_class_index(file) if synset in self.wordnet}
        return classes.union(*map(self.wordnet.ancestors, classes))

    def _table(self, synsets: Sequence[str]) -> LabelTable:
        """The synsets that have a vector by the policy of the labels."""
        data = self.data
        return label_table(
            synsets, data.policy, self.lexicon, self.wordnet, missing="leave_out", hypernyms=data.hypernyms
        )[0]

    def save(self, folder: Path) -> None:
        """Writes ``labels/``, including the coverage table, and ``words/``."""
        self.labels.save(folder / LABELS_FOLDER)
        write_text(folder / LABELS_FOLDER / COVERAGE, self.coverage.table())
        self.lexicon.save(folder / WORDS_FOLDER)


def read_word_space(config: Config, names: Sequence[str]) -> WordSpace:
    """Reads the words of the `vectors` node and computes the labels' vectors. names: the label names.

    Raises:
        UserError: a file is missing or damaged, or labels have no vector; all of them are listed.
    """
    data: ImageOptions = config.data
    wordnet = read_wordnet(data)
    lexicon = _lexicon(config, names, wordnet)
    table = synset_table(Path(data.synsets) if data.synsets else None, names)
    labels, coverage = label_table(names, data.policy, lexicon, wordnet, table, data.missing, hypernyms=data.hypernyms)
    log.info("%s", coverage)
    return WordSpace(data, lexicon, wordnet, labels, coverage)


def read_wordnet(data: ImageOptions) -> WordNet | None:
    """Reads the nouns of ``data.wordnet``, with their hierarchy if the folder has it; None if it is not set.

    Raises:
        UserError: a required file is missing, damaged or empty.
    """
    if data.wordnet is None:
        return None
    folder = Path(data.wordnet)
    has_edges = (folder / EDGES).is_file()
    if data.hypernyms and not has_edges:
        raise UserError(
            f"data.hypernyms is {data.hypernyms}, which needs the hierarchy in {folder / EDGES}, but there is no such "
            "file: add it, or set data.hypernyms=0."
        )
    wordnet = WordNet.read(folder / WORDS, folder / EDGES if has_edges else None)
    if data.hypernyms and not wordnet.has_hypernyms:
        raise UserError(
            f"data.hypernyms is {data.hypernyms}, which needs the hierarchy in {folder / EDGES}, but that file is "
            "empty: restore it, or set data.hypernyms=0."
        )
    return wordnet


def split_images(data: ImageOptions, parts: ImageParts, names: Sequence[str]) -> ImageSplit:
    """Splits the images by use, without labels left out by ``data.fold``. names: the labels with a vector."""
    if data.fold is None:
        return parts.split(data, names)
    seen, held_out = seen_and_held_out(data, names)
    others = [name for name in names if name in {*seen, *held_out}]
    return parts.split(replace(data, held_out=held_out), others)


def _lexicon(config: Config, names: Sequence[str], wordnet: WordNet | None) -> Lexicon:
    """The most frequent words, and the words of labels and nouns."""
    options = config.vectors
    all_words = Lexicon.read(Path(options.target or ""), cache_folder(config.paths))
    nouns = [lemma for synset in wordnet.synsets for lemma in wordnet.lemmas(synset)] if wordnet is not None else []
    lexicon = all_words.subset(options.words, chain(_with_words(names), _with_words(nouns)))
    if options.whiten == 0:
        return lexicon
    rows = sorted({row for noun in nouns if (row := lexicon.row(noun)) is not None})
    return whitened(lexicon, np.array(rows or range(len(lexicon))), options.whiten)


def _with_words(names: Iterable[str]) -> Iterator[str]:
    """Yields each name, its closed form if it has several words, and its words."""
    for name in names:
        words = words_of(name)
        yield from (name, *(("".join(words), *words) if len(words) > 1 else ()))
