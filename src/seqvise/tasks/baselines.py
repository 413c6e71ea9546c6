"""What a trained head is to be compared with, each over the same features and labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.metrics.candidates import Vectors, measure
from seqvise.metrics.retrieval import Rows
from seqvise.models.devise.model import conse
from seqvise.tasks.zero_shot import SEEN, Images, ZeroShot

STRENGTHS = tuple(10.0**power for power in range(-1, 6))
"""Of ridge regression; the best on validation is taken."""
CLASSES = 10
"""Classes that ConSE takes the mean of, as its authors do."""

Floats = NDArray[np.float32]
Embed = Callable[[Floats], Vectors]
"""Features (N, F) to vectors (N, D) of length 1."""


@dataclass(frozen=True, eq=False)
class Features:
    """Images as they are measured.

    Attributes:
        inputs: (N, F).
        labels: (N,).
    """

    inputs: Floats
    labels: Rows


@dataclass(frozen=True, eq=False)
class Contest:
    """The features of a data set by use, and how well images find their labels.

    Attributes:
        train: of seen labels.
        valid: of seen labels.
        test: ``seen`` images, and where there are any ``held_out`` ones.
        protocol: the labels.
    """

    train: Features
    valid: Features
    test: Mapping[str, Features]
    protocol: ZeroShot

    def metrics(self, embed: Embed, nouns: bool = True) -> Iterator[tuple[str, float]]:
        """As ``ZeroShot.metrics``. nouns: whether every noun is a candidate too."""
        images = {kind: Images(embed(found.inputs), found.labels) for kind, found in self.test.items()}
        yield from self.protocol.metrics(images, nouns)

    def chances(self) -> Iterator[tuple[str, float]]:
        """As ``ZeroShot.chances``."""
        images = {kind: Images(np.empty((0, 0), np.float32), found.labels) for kind, found in self.test.items()}
        yield from self.protocol.chances(images, nouns=True)


def ridge_metrics(contest: Contest) -> Iterator[tuple[str, float]]:
    """Ridge regression from features to label vectors, in closed form."""
    yield from contest.metrics(best_ridge(contest))


def random_metrics(contest: Contest, seed: int) -> Iterator[tuple[str, float]]:
    """The same onto random vectors instead of the labels': what can be had without the meaning of words."""
    labels = contest.protocol.labels
    drawn = np.random.default_rng(seed).normal(size=labels.vectors.shape).astype(np.float32)
    vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    changed = replace(contest, protocol=replace(contest.protocol, labels=replace(labels, vectors=vectors)))
    yield from changed.metrics(best_ridge(changed), nouns=False)


def softmax_metrics(contest: Contest, logits: Callable[[Floats], Floats]) -> Iterator[tuple[str, float]]:
    """A classifier of the seen labels, which knows no other. logits: (N, F) to (N, S), see ``train_softmax``."""
    images, candidates = contest.test[SEEN], contest.protocol.among(SEEN)
    found = measure(lambda block: logits(images.inputs[block]), images.labels, candidates)
    yield from ((f"{SEEN}/{name}", value) for name, value in found.items())


def conse_metrics(
    contest: Contest, logits: Callable[[Floats], Floats], vectors: Vectors
) -> Iterator[tuple[str, float]]:
    """ConSE (Norouzi et al. 2014): the mean of the vectors of a classifier's most probable classes.

    Args:
        logits: (N, F) to (N, K).
        vectors: (K, D) of the classes, zeros where one has none.
    """
    table = torch.from_numpy(vectors)

    def embed(inputs: Floats) -> Vectors:
        found = conse(torch.from_numpy(logits(inputs)), table, min(CLASSES, len(table)))
        return np.asarray(F.normalize(found, dim=1).numpy())

    yield from contest.metrics(embed)


def best_ridge(contest: Contest) -> Embed:
    """Ridge regression with the strength that finds most labels of validation images among the seen."""
    candidates = contest.protocol.among(SEEN)
    fits = ridges(contest.train.inputs, contest.protocol.labels.vectors[contest.train.labels])

    def found(embed: Embed) -> float:
        vectors = embed(contest.valid.inputs)
        return measure(lambda block: candidates.scores(vectors[block]), contest.valid.labels, candidates)["hit@1"]

    return max(fits, key=found)


def ridges(inputs: Floats, targets: Vectors) -> list[Embed]:
    """The minimisers of |X W - T|² + strength |W|², X and T less their means, for each strength.

    One eigendecomposition of XᵀX serves all.
    """
    mean, middle = inputs.mean(0, dtype=np.float64), targets.mean(0, dtype=np.float64)
    centred = inputs - mean
    values, directions = np.linalg.eigh(centred.T @ centred)
    product = directions.T @ (centred.T @ (targets - middle))
    return [_linear(mean, middle, directions @ (product / (values + strength)[:, None])) for strength in STRENGTHS]


def train_softmax(contest: Contest, seed: int, epochs: int = 30, batch: int = 256) -> Callable[[Floats], Floats]:
    """A linear softmax classifier of the seen labels over standardised features, by Adam."""
    inputs, places = contest.train.inputs, np.searchsorted(contest.protocol.seen, contest.train.labels)
    mean, deviation = inputs.mean(0), inputs.std(0) + 1e-6
    values, labels = torch.from_numpy((inputs - mean) / deviation), torch.from_numpy(places)
    model = nn.Linear(values.shape[1], len(contest.protocol.seen))
    _fit(model, values, labels, torch.Generator().manual_seed(seed), epochs, batch)

    trained = logits_of(model)
    return lambda features: trained((features - mean) / deviation)


def logits_of(classifier: nn.Module) -> Callable[[Floats], Floats]:
    """A classifier on arrays: (N, F) to (N, K)."""

    @torch.no_grad()
    def logits(features: Floats) -> Floats:
        return np.asarray(classifier(torch.from_numpy(features)).numpy())

    return logits


def _fit(model: nn.Linear, values: Tensor, labels: Tensor, draws: torch.Generator, epochs: int, batch: int) -> None:
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    for _ in range(epochs):
        for rows in torch.randperm(len(values), generator=draws).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(model(values[rows]), labels[rows]).backward()
            optimizer.step()


def _linear(mean: NDArray[np.float64], middle: NDArray[np.float64], weights: NDArray[np.float64]) -> Embed:
    def embed(inputs: Floats) -> Vectors:
        found = (inputs - mean) @ weights + middle
        lengths = np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return np.asarray(found / lengths, np.float32)

    return embed
