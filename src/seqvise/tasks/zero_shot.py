"""How well images find their labels: those that were trained on, those that were not, all together, every noun."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqvise.images.labels import LabelTable
from seqvise.images.wordnet import WordNet
from seqvise.metrics.candidates import Candidates, Vectors, chance, measure
from seqvise.metrics.retrieval import Rows, average_precision_chance, mean_average_precision

SEEN, HELD_OUT = "seen", "held_out"
ALL, NOUNS = "all", "nouns"


class Images(NamedTuple):
    """Images by what a model has made of them.

    Attributes:
        vectors: (N, D) of length 1.
        labels: (N,) what they show, N above 0.
    """

    vectors: Vectors
    labels: Rows


@dataclass(frozen=True, eq=False)
class ZeroShot:
    """The labels of a data set, some of which training never sees.

    Attributes:
        labels: L of them.
        seen: (S,) the labels of training.
        held_out: (H,) the others; H may be 0.
        wordnet: for hierarchical precision; None without.
        nouns: gives the labels of every noun, and is asked once at most; None without.
        calibration: taken off the scores of seen labels where held-out ones compete with them (calibrated stacking;
            Chao et al. 2016, arXiv:1605.04253).
    """

    labels: LabelTable
    seen: Rows
    held_out: Rows
    wordnet: WordNet | None = None
    nouns: Callable[[], LabelTable] | None = None
    calibration: float = 0.0

    def metrics(self, images: Mapping[str, Images], nouns: bool = False) -> Iterator[tuple[str, float]]:
        """``<round>/hit@k``, ``<round>/hp@k`` and mean average precisions.

        The rounds are ``seen`` and ``held_out``, of such images among such labels; and ``seen_among_all``,
        ``held_out_among_all``, ``seen_among_nouns`` and ``held_out_among_nouns``.

        Args:
            images: the ``seen`` ones, and where there are any the ``held_out`` ones.
            nouns: whether every noun is a candidate too, which takes longer.
        """
        for name, kind, candidates in self.rounds(images, nouns):
            vectors, labels = images[kind]
            found = measure(lambda block: candidates.scores(vectors[block]), labels, candidates)  # noqa: B023
            yield from ((f"{name}/{metric}", value) for metric, value in found.items())
            if len(candidates) <= len(self.labels):
                yield from self._precisions(name, images[kind], candidates)

    def chances(self, images: Mapping[str, Images], nouns: bool = False) -> Iterator[tuple[str, float]]:
        """What ``metrics`` gives on average for scores drawn at random."""
        for name, kind, candidates in self.rounds(images, nouns):
            labels = images[kind].labels
            yield from ((f"{name}/{metric}", value) for metric, value in chance(labels, candidates).items())
            if len(candidates) <= len(self.labels):
                shown = np.unique(labels)
                yield f"{name}/text_to_image_map", average_precision_chance(shown[:, None] == labels)

    def rounds(self, images: Mapping[str, Images], nouns: bool) -> Iterator[tuple[str, str, Candidates]]:
        """Each name, with the kind of images asked and the candidates."""
        yield SEEN, SEEN, self.among(SEEN)
        if HELD_OUT in images:
            yield HELD_OUT, HELD_OUT, self.among(HELD_OUT)
            for kind in (SEEN, HELD_OUT):
                yield f"{kind}_among_{ALL}", kind, self.among(ALL)
        if nouns and self.nouns is not None:
            for kind in images:
                yield f"{kind}_among_{NOUNS}", kind, self._every_noun

    def among(self, which: str) -> Candidates:
        """The ``seen``, the ``held_out`` or ``all`` labels as candidates."""
        chosen = {SEEN: self.seen, HELD_OUT: self.held_out, ALL: np.arange(len(self.labels))}[which]
        columns = np.full(len(self.labels), -1, np.int64)
        columns[chosen] = np.arange(len(chosen))
        distances = None if self._distances is None else self._distances[:, chosen]
        handicap = self._handicap() if which == ALL else None
        return Candidates(self.labels.vectors[chosen], columns, distances, handicap)

    @cached_property
    def _distances(self) -> NDArray[np.int16] | None:
        synsets = self.labels.synsets
        return None if self.wordnet is None else self.wordnet.distances(synsets, synsets)

    @cached_property
    def _every_noun(self) -> Candidates:
        """The labels, and behind them all nouns that are not the synset of one."""
        assert self.nouns is not None
        nouns = self.nouns()
        own = set(self.labels.synsets)
        others = nouns.chosen([row for row, synset in enumerate(nouns.synsets) if synset not in own])
        vectors = np.concatenate([self.labels.vectors, others.vectors])
        synsets = (*self.labels.synsets, *others.synsets)
        distances = None if self.wordnet is None else self.wordnet.distances(self.labels.synsets, synsets)
        return Candidates(vectors, np.arange(len(self.labels)), distances)

    def _handicap(self) -> Vectors:
        """(L,) the calibration at the seen labels."""
        handicap = np.zeros(len(self.labels), np.float32)
        handicap[self.seen] = self.calibration
        return handicap

    def _precisions(self, name: str, images: Images, candidates: Candidates) -> Iterator[tuple[str, float]]:
        """Of the ranks of labels for an image, and of images for a label."""
        scores, shown = candidates.scores(images.vectors), np.unique(images.labels)
        columns = candidates.columns[images.labels]
        yield (
            f"{name}/image_to_label_map",
            mean_average_precision(scores, columns[:, None] == np.arange(len(candidates))),
        )
        to_images = scores[:, candidates.columns[shown]].T
        yield f"{name}/text_to_image_map", mean_average_precision(to_images, shown[:, None] == images.labels)
