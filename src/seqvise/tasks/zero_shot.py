"""Zero-shot evaluation: retrieval metrics of images among seen labels, held-out labels, all labels and all nouns."""

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
    """Images as predicted vectors, with their labels.

    Attributes:
        vectors: (N, D) unit vectors, N > 0.
        labels: (N,) true labels.
    """

    vectors: Vectors
    labels: Rows


@dataclass(frozen=True, eq=False)
class ZeroShot:
    """The labels of a data set, divided into seen and held-out labels, and their evaluation.

    Attributes:
        labels: all L labels.
        seen: (S,) labels used in training.
        held_out: (H,) labels not used in training; H may be 0.
        wordnet: for hierarchical precision; None without a hierarchy.
        nouns: loads the labels of all nouns, called at most once; None without nouns.
        calibration: subtracted from the scores of seen labels when they compete with held-out labels (calibrated
            stacking; Chao et al. 2016, arXiv:1605.04253).
    """

    labels: LabelTable
    seen: Rows
    held_out: Rows
    wordnet: WordNet | None = None
    nouns: Callable[[], LabelTable] | None = None
    calibration: float = 0.0

    def metrics(self, images: Mapping[str, Images], nouns: bool = False) -> Iterator[tuple[str, float]]:
        """``<round>/hit@k``, ``<round>/hp@k`` and mean average precisions.

        The rounds ``seen`` and ``held_out`` evaluate images of these labels among the same labels as candidates. The
        others are ``seen_among_all``, ``held_out_among_all``, ``seen_among_nouns`` and ``held_out_among_nouns``.

        Args:
            images: ``seen`` images, and ``held_out`` images if there are any.
            nouns: whether to add the rounds among all nouns, which take longer.
        """
        for name, kind, candidates in self.rounds(images, nouns):
            vectors, labels = images[kind]
            scores = measure(lambda block: candidates.scores(vectors[block]), labels, candidates)  # noqa: B023
            yield from ((f"{name}/{metric}", value) for metric, value in scores.items())
            if len(candidates) <= len(self.labels):
                yield from self._precisions(name, images[kind], candidates)

    def chances(self, images: Mapping[str, Images], nouns: bool = False) -> Iterator[tuple[str, float]]:
        """The expected result of ``metrics`` for random scores."""
        for name, kind, candidates in self.rounds(images, nouns):
            labels = images[kind].labels
            yield from ((f"{name}/{metric}", value) for metric, value in chance(labels, candidates).items())
            if len(candidates) <= len(self.labels):
                occurring = np.unique(labels)
                yield f"{name}/text_to_image_map", average_precision_chance(occurring[:, None] == labels)

    def rounds(self, images: Mapping[str, Images], nouns: bool) -> Iterator[tuple[str, str, Candidates]]:
        """(name, kind of images, candidates) of each evaluation round."""
        yield SEEN, SEEN, self.candidates(SEEN)
        if HELD_OUT in images:
            yield HELD_OUT, HELD_OUT, self.candidates(HELD_OUT)
            for kind in (SEEN, HELD_OUT):
                yield f"{kind}_among_{ALL}", kind, self.candidates(ALL)
        if nouns and self.nouns is not None:
            for kind in images:
                yield f"{kind}_among_{NOUNS}", kind, self._noun_candidates

    def candidates(self, kind: str) -> Candidates:
        """The ``seen``, ``held_out`` or ``all`` labels as candidates."""
        rows = {SEEN: self.seen, HELD_OUT: self.held_out, ALL: np.arange(len(self.labels))}[kind]
        columns = np.full(len(self.labels), -1, np.int64)
        columns[rows] = np.arange(len(rows))
        distances = None if self._distances is None else self._distances[:, rows]
        handicap = self._handicap() if kind == ALL else None
        return Candidates(self.labels.vectors[rows], columns, distances, handicap)

    @cached_property
    def _distances(self) -> NDArray[np.int16] | None:
        synsets = self.labels.synsets
        return None if self.wordnet is None else self.wordnet.distances(synsets, synsets)

    @cached_property
    def _noun_candidates(self) -> Candidates:
        """All labels, followed by the nouns whose synset is not that of a label."""
        assert self.nouns is not None
        nouns = self.nouns()
        label_synsets = set(self.labels.synsets)
        others = nouns.chosen([row for row, synset in enumerate(nouns.synsets) if synset not in label_synsets])
        vectors = np.concatenate([self.labels.vectors, others.vectors])
        synsets = (*self.labels.synsets, *others.synsets)
        distances = None if self.wordnet is None else self.wordnet.distances(self.labels.synsets, synsets)
        return Candidates(vectors, np.arange(len(self.labels)), distances)

    def _handicap(self) -> Vectors:
        """(L,) the calibration for seen labels, else 0."""
        handicap = np.zeros(len(self.labels), np.float32)
        handicap[self.seen] = self.calibration
        return handicap

    def _precisions(self, name: str, images: Images, candidates: Candidates) -> Iterator[tuple[str, float]]:
        """Mean average precision of the ranking of labels for an image, and of images for a label."""
        scores, occurring = candidates.scores(images.vectors), np.unique(images.labels)
        columns = candidates.columns[images.labels]
        yield (
            f"{name}/image_to_label_map",
            mean_average_precision(scores, columns[:, None] == np.arange(len(candidates))),
        )
        image_scores = scores[:, candidates.columns[occurring]].T
        yield f"{name}/text_to_image_map", mean_average_precision(image_scores, occurring[:, None] == images.labels)
