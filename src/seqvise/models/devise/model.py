"""From an image to a word vector (Frome et al. 2013, "DeViSE: A Deep Visual-Semantic Embedding Model")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.devise.options import DeviseOptions
from seqvise.models.kernels.dropout import dropout

RATES = (1e-3, 1e-2)
"""The factors on the rate of the backbone's early and of its late layers, as in the lesson; the head's is 1."""


class Devise(nn.Module):
    """A head over image features, and below it, where one is given, the network that makes features of images.

    Args:
        options: the `model` node.
        features: F, the width of the features.
        dim: D, the width of the word vectors.
        backbone: images (B, 3, H, W) to features (B, F); None where the inputs are features.
        classifier: features (B, F) to the logits (B, K) of the classes that the backbone was trained on; needed where
            ``options.prior`` is above 0. ``set_classes`` names these classes.
        groups: the backbone's parameters in two groups, its early and its late layers.
    """

    def __init__(
        self,
        options: DeviseOptions,
        features: int,
        dim: int,
        backbone: nn.Module | None = None,
        classifier: nn.Module | None = None,
        groups: Sequence[Sequence[nn.Parameter]] = (),
    ) -> None:
        super().__init__()
        self.options, self.backbone, self.groups = options, backbone, groups
        self.head = Head(options, features, dim)
        self.prior = None
        if options.prior > 0:
            if classifier is None:
                raise ValueError("A prior needs the classifier of the backbone.")
            self.prior = ClassPrior(classifier, features, dim, options.prior_classes)
        if backbone is not None:
            backbone.requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, D) vectors of length 1. inputs: (B, F) features, or (B, 3, H, W) images where there is a backbone."""
        return self.embed(self.features(inputs))

    def features(self, inputs: Tensor) -> Tensor:
        """(B, F) of images where there is a backbone; features stay as they are."""
        found: Tensor = inputs if self.backbone is None else self.backbone(inputs)
        return found

    def embed(self, features: Tensor) -> Tensor:
        """(B, F) to (B, D) of length 1: the head's direction, and ``options.prior`` times the prior's."""
        found = F.normalize(self.head(features), dim=1)
        if self.prior is None:
            return found
        return F.normalize(found + self.options.prior * self.prior(features), dim=1)

    def set_classes(self, vectors: Tensor) -> None:
        """Names the classes of the prior. vectors: (K, D), zeros for a class without a vector."""
        assert self.prior is not None
        self.prior.vectors.copy_(vectors)

    def unfreeze(self, epoch: int) -> None:
        """Trains those layers of the backbone whose epoch has come."""
        if self.options.unfreeze is None:
            return
        for weights, first in self._trained_groups(self.options.unfreeze):
            for weight in weights:
                weight.requires_grad_(epoch >= first)

    def rate_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Parameters and the factor on their rate: of the backbone, where it is ever trained, and of the head."""
        count = len(self.options.unfreeze or ())
        trained = list(zip(self.groups, RATES, strict=False))[len(RATES) - count :]
        return [*((list(weights), rate) for weights, rate in trained), (list(self.head.parameters()), 1.0)]

    def _trained_groups(self, epochs: Sequence[int]) -> Iterator[tuple[Sequence[nn.Parameter], int]]:
        """Groups of the backbone, the late layers first, and the epoch from which each is trained."""
        return zip(reversed(self.groups), epochs, strict=False)


class Head(nn.Module):
    """Features (B, F) to (B, D): linear maps with a ReLU between, each behind batch norm and dropout."""

    def __init__(self, options: DeviseOptions, features: int, dim: int) -> None:
        super().__init__()
        self.dropout = options.dropout
        widths = [features, *([] if options.hidden is None else [options.hidden]), dim]
        self.norms = nn.ModuleList(_norm(width, options.batch_norm) for width in widths[:-1])
        self.maps = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) of any length."""
        rates = (self.dropout.features, self.dropout.hidden)
        values = features
        for place, (norm, linear) in enumerate(zip(self.norms, self.maps, strict=True)):
            values = F.relu(values) if place else values
            values = dropout(norm(values), rates[place] * self.dropout.scale, self.training)
            values = linear(values)
        return values


class SteadyBatchNorm(nn.BatchNorm1d):
    """Batch norm that takes a batch of one by the running statistics, as it has none of its own."""

    def forward(self, values: Tensor) -> Tensor:
        """(B, F) to the same."""
        if len(values) > 1 or not self.training:
            return super().forward(values)
        return F.batch_norm(values, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


class ClassPrior(nn.Module):
    """Where the classes of the backbone put an image: ConSE (Norouzi et al. 2014, arXiv:1312.5650).

    The mean of the word vectors of the most probable classes, weighted by their probabilities. Nothing is trained.

    Args:
        classifier: features (B, F) to logits (B, K).
        features: F.
        dim: D.
        count: how many classes the mean is over.
    """

    def __init__(self, classifier: nn.Module, features: int, dim: int, count: int) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(False)
        with torch.no_grad():
            classes = classifier(torch.zeros(1, features)).shape[1]
        self.count = min(count, classes)
        self.vectors: Tensor
        self.register_buffer("vectors", torch.zeros(classes, dim))

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) of length 1."""
        return F.normalize(conse(self.classifier(features), self.vectors, self.count), dim=1)

    def train(self, mode: bool = True) -> ClassPrior:
        """Sets the mode; the classifier drops nothing in training either."""
        super().train(mode)
        self.classifier.eval()
        return self


def conse(logits: Tensor, vectors: Tensor, count: int) -> Tensor:
    """(B, D) the mean of the vectors of the ``count`` most probable classes, weighted by their probabilities.

    Args:
        logits: (B, K).
        vectors: (K, D); a row of zeros is a class without a vector, which is passed over.
        count: at most K.
    """
    known = vectors.any(1)
    probabilities, classes = logits.masked_fill(~known, float("-inf")).softmax(1).topk(count)
    return torch.einsum("bk,bkd->bd", probabilities, vectors[classes])


def _norm(width: int, wanted: bool) -> nn.Module:
    return SteadyBatchNorm(width) if wanted else nn.Identity()
