"""Baselines for a trained image-to-word head, on the same features and labels."""

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
"""Regularisation strengths of ridge regression; the best on the validation part is used."""
CLASSES = 10
"""Number of classes in the mean of ConSE, as in the paper."""

Floats = NDArray[np.float32]
Embed = Callable[[Floats], Vectors]
"""Features (N, F) to unit vectors (N, D)."""


@dataclass(frozen=True, eq=False)
class Features:
    """Features of images, with their labels.

    Attributes:
        inputs: (N, F).
        labels: (N,).
    """

    inputs: Floats
    labels: Rows


@dataclass(frozen=True, eq=False)
class Contest:
    """The parts of a data set, and the evaluation of baselines on its test part.

    Attributes:
        train: images of seen labels.
        valid: images of seen labels.
        test: ``seen`` images, and ``held_out`` images if there are any.
        protocol: the labels and their metrics.
    """

    train: Features
    valid: Features
    test: Mapping[str, Features]
    protocol: ZeroShot

    def metrics(self, embed: Embed, nouns: bool = True) -> Iterator[tuple[str, float]]:
        """See ``ZeroShot.metrics``. nouns: whether every noun is a candidate, too."""
        images = {kind: Images(embed(features.inputs), features.labels) for kind, features in self.test.items()}
        yield from self.protocol.metrics(images, nouns)

    def chances(self) -> Iterator[tuple[str, float]]:
        """See ``ZeroShot.chances``."""
        no_vectors = np.empty((0, 0), np.float32)
        images = {kind: Images(no_vectors, features.labels) for kind, features in self.test.items()}
        yield from self.protocol.chances(images, nouns=True)


def ridge_metrics(contest: Contest) -> Iterator[tuple[str, float]]:
    """Metrics of ridge regression from features to label vectors, in closed form."""
    yield from contest.metrics(best_ridge(contest))


def random_metrics(contest: Contest, seed: int) -> Iterator[tuple[str, float]]:
    """Metrics of ridge regression to random label vectors: the result without the meaning of words."""
    labels = contest.protocol.labels
    normal = np.random.default_rng(seed).normal(size=labels.vectors.shape).astype(np.float32)
    vectors = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    randomised = replace(contest, protocol=replace(contest.protocol, labels=replace(labels, vectors=vectors)))
    yield from randomised.metrics(best_ridge(randomised), nouns=False)


def softmax_metrics(contest: Contest, logits: Callable[[Floats], Floats]) -> Iterator[tuple[str, float]]:
    """Metrics of a classifier of the seen labels. logits: (N, F) to (N, S), see ``train_softmax``."""
    images, candidates = contest.test[SEEN], contest.protocol.candidates(SEEN)
    metrics = measure(lambda block: logits(images.inputs[block]), images.labels, candidates)
    yield from ((f"{SEEN}/{name}", value) for name, value in metrics.items())


def conse_metrics(
    contest: Contest, logits: Callable[[Floats], Floats], vectors: Vectors
) -> Iterator[tuple[str, float]]:
    """Metrics of ConSE (Norouzi et al. 2014): the mean of the vectors of a classifier's most probable classes.

    Args:
        contest: the data.
        logits: (N, F) to (N, K).
        vectors: (K, D) of the classes, zeros for a class without a vector.
    """
    table = torch.from_numpy(vectors)

    def embed(inputs: Floats) -> Vectors:
        means = conse(torch.from_numpy(logits(inputs)), table, min(CLASSES, len(table)))
        return np.asarray(F.normalize(means, dim=1).numpy())

    yield from contest.metrics(embed)


def best_ridge(contest: Contest) -> Embed:
    """Ridge regression with the strength that has the highest hit@1 on the validation part."""
    candidates = contest.protocol.candidates(SEEN)
    fits = ridges(contest.train.inputs, contest.protocol.labels.vectors[contest.train.labels])

    def hit_rate(embed: Embed) -> float:
        vectors = embed(contest.valid.inputs)
        return measure(lambda block: candidates.scores(vectors[block]), contest.valid.labels, candidates)["hit@1"]

    return max(fits, key=hit_rate)


def ridges(inputs: Floats, targets: Vectors) -> list[Embed]:
    """The minimisers of |X W - T|² + strength |W|² with centred X and T, one per strength.

    All strengths share one eigendecomposition of XᵀX.
    """
    mean, target_mean = inputs.mean(0, dtype=np.float64), targets.mean(0, dtype=np.float64)
    centred = inputs - mean
    values, directions = np.linalg.eigh(centred.T @ centred)
    product = directions.T @ (centred.T @ (targets - target_mean))
    weights = [directions @ (product / (values + strength)[:, None]) for strength in STRENGTHS]
    return [_linear(mean, target_mean, weight) for weight in weights]


def train_softmax(contest: Contest, seed: int, epochs: int = 30, batch: int = 256) -> Callable[[Floats], Floats]:
    """A linear softmax classifier of the seen labels on standardised features, trained with AdamW."""
    inputs, classes = contest.train.inputs, np.searchsorted(contest.protocol.seen, contest.train.labels)
    mean, deviation = inputs.mean(0), inputs.std(0) + 1e-6
    values, labels = torch.from_numpy((inputs - mean) / deviation), torch.from_numpy(classes)
    model = nn.Linear(values.shape[1], len(contest.protocol.seen))
    _fit(model, values, labels, torch.Generator().manual_seed(seed), epochs, batch)

    trained = logits_of(model)
    return lambda features: trained((features - mean) / deviation)


def logits_of(classifier: nn.Module) -> Callable[[Floats], Floats]:
    """A classifier as a function of arrays: (N, F) to (N, K)."""

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


def _linear(mean: NDArray[np.float64], target_mean: NDArray[np.float64], weights: NDArray[np.float64]) -> Embed:
    def embed(inputs: Floats) -> Vectors:
        outputs = (inputs - mean) @ weights + target_mean
        lengths = np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), 1e-12)
        return np.asarray(outputs / lengths, np.float32)

    return embed
