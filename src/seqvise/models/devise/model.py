"""Predicts the word vector of an image (Frome et al. 2013, "DeViSE: A Deep Visual-Semantic Embedding Model")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.devise.options import DeviseOptions
from seqvise.models.kernels.dropout import dropout
from seqvise.models.options import ScaledDropoutOptions

RATE_FACTORS = (1e-3, 1e-2)
"""Learning-rate factors of the backbone's early and late layers, as in the fast.ai (2018) lesson; the head's is 1."""


class Devise(nn.Module):
    """A head on image features, with an optional backbone that computes the features from images.

    Args:
        options: the `model` node.
        features: F, the width of the features.
        dim: D, the width of the word vectors.
        backbone: images (B, 3, H, W) to features (B, F); None if the inputs are features.
        classifier: features (B, F) to logits (B, K) of the classes that the backbone was trained on. Required if
            ``options.prior`` is above 0; ``set_classes`` then sets the vectors of these classes.
        groups: the backbone's parameters in two groups, its early and its late layers.

    Raises:
        ValueError: ``options.prior`` is above 0 and there is no classifier.
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
        widths = [features, *([] if options.hidden is None else [options.hidden]), dim]
        self.head = Head(widths, options.dropout, ("features", "hidden"), batch_norm=options.batch_norm)
        self.prior = None
        if options.prior > 0:
            if classifier is None:
                raise ValueError(
                    f"model.prior is {options.prior}, but there is no classifier of the backbone: set model.prior=0."
                )
            self.prior = ClassPrior(classifier, features, dim, options.prior_classes)
        if backbone is not None:
            backbone.requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, D) unit vectors. inputs: (B, F) features, or (B, 3, H, W) images if there is a backbone."""
        return self.embed(self.features(inputs))

    def features(self, inputs: Tensor) -> Tensor:
        """(B, F) features of images if there is a backbone; else the inputs, which are features."""
        features: Tensor = inputs if self.backbone is None else self.backbone(inputs)
        return features

    def embed(self, features: Tensor) -> Tensor:
        """(B, F) features to (B, D) unit vectors: the head's direction plus ``options.prior`` times the prior's."""
        vectors = F.normalize(self.head(features), dim=1)
        if self.prior is None:
            return vectors
        return F.normalize(vectors + self.options.prior * self.prior(features), dim=1)

    def set_classes(self, vectors: Tensor) -> None:
        """Sets the word vectors of the prior's classes. vectors: (K, D), zeros for a class without a vector."""
        assert self.prior is not None
        self.prior.vectors.copy_(vectors)

    def unfreeze(self, epoch: int) -> None:
        """Unfreezes the layers of the backbone whose epoch is reached."""
        if self.options.unfreeze is None:
            return
        # The late layers first, as in the option.
        for weights, first_epoch in zip(reversed(self.groups), self.options.unfreeze, strict=False):
            for weight in weights:
                weight.requires_grad_(epoch >= first_epoch)

    def rate_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Parameters and their learning-rate factors: trained groups of the backbone, then the head."""
        count = len(self.options.unfreeze or ())
        trained = list(zip(self.groups, RATE_FACTORS, strict=False))[len(RATE_FACTORS) - count :]
        return [*((list(weights), factor) for weights, factor in trained), (list(self.head.parameters()), 1.0)]


class Head(nn.Module):
    """Linear maps with an activation between them, each after batch norm and dropout: (B, F) to (B, D), not normalised.

    Args:
        widths: of the inputs, of the hidden layers and of the outputs.
        dropout: the dropout probabilities.
        rates: names of those before each map.
        activation: between the maps.
        batch_norm: before each map.
    """

    def __init__(
        self,
        widths: Sequence[int],
        dropout: ScaledDropoutOptions,
        rates: Sequence[str],
        activation: Callable[[Tensor], Tensor] = F.relu,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        self.dropout, self.rates, self.activation = dropout, rates, activation
        self.norms = nn.ModuleList(SteadyBatchNorm(width) if batch_norm else nn.Identity() for width in widths[:-1])
        self.maps = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))

    def forward(self, values: Tensor) -> Tensor:
        for index, (norm, linear, rate) in enumerate(zip(self.norms, self.maps, self.rates, strict=False)):
            values = self.activation(values) if index else values
            values = linear(dropout(norm(values), getattr(self.dropout, rate) * self.dropout.scale, self.training))
        return values


class SteadyBatchNorm(nn.BatchNorm1d):
    """Batch norm that normalises a batch of size 1, which has no variance, by the running statistics."""

    def forward(self, values: Tensor) -> Tensor:
        """(B, F) to (B, F)."""
        if len(values) > 1 or not self.training:
            return super().forward(values)
        return F.batch_norm(values, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


class ClassPrior(nn.Module):
    """The prediction of the backbone's classifier as a word vector: ConSE (Norouzi et al. 2014, arXiv:1312.5650).

    The mean of the word vectors of the most probable classes, weighted by their probabilities. It is not trained.

    Args:
        classifier: features (B, F) to logits (B, K).
        features: F.
        dim: D.
        count: the number of classes in the mean.
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
        """(B, D) unit vectors."""
        return F.normalize(conse(self.classifier(features), self.vectors, self.count), dim=1)

    def train(self, mode: bool = True) -> ClassPrior:
        """Sets the mode; the classifier always stays in evaluation mode."""
        super().train(mode)
        self.classifier.eval()
        return self


def conse(logits: Tensor, vectors: Tensor, count: int) -> Tensor:
    """The mean of the vectors of the ``count`` most probable classes, weighted by their probabilities: (B, D).

    Args:
        logits: (B, K).
        vectors: (K, D); classes whose row is zero have no vector and are skipped.
        count: at most K.
    """
    has_vector = vectors.any(1)
    probabilities, classes = logits.masked_fill(~has_vector, float("-inf")).softmax(1).topk(count)
    return torch.einsum("bk,bkd->bd", probabilities, vectors[classes])
