"""Losses between the vector of an image and the vector of its label.

Arguments: outputs (B, D) of the network, labels (B,) as rows of the table, and the table (L, D) of unit label vectors.
Each loss returns the mean over the batch. ``cosine``, ``hinge``, ``hinge_first`` and ``contrastive`` depend only on the
direction of the outputs, ``l1`` and ``mse`` also on their length.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cosine(outputs: Tensor, labels: Tensor, table: Tensor) -> Tensor:
    """1 - cos(output, label), the loss of the fast.ai (2018) lesson."""
    return 1 - F.cosine_similarity(outputs, table[labels]).mean()


def hinge(outputs: Tensor, labels: Tensor, table: Tensor, margin: float = 0.1) -> Tensor:
    """Frome et al. (2013), equation 1: the sum over wrong labels j of max(0, margin - cos(true label) + cos(j))."""
    return _violations(outputs, labels, table, margin).sum(1).mean()


def hinge_first(outputs: Tensor, labels: Tensor, table: Tensor, margin: float = 0.1) -> Tensor:
    """``hinge`` as Frome et al. trained it, with only the first label in random order that violates the margin.

    This is equivalent to one violating label drawn uniformly.
    """
    violations = _violations(outputs, labels, table, margin)
    order = torch.rand_like(violations).masked_fill(violations == 0, -1.0)
    return violations.gather(1, order.argmax(1, keepdim=True)).mean()


def contrastive(outputs: Tensor, labels: Tensor, table: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE over all labels: the cross entropy of a softmax over cos(output, label) / temperature.

    (van den Oord et al. 2018, arXiv:1807.03748, equation 4, with all labels of the table as the set of samples.)
    """
    return F.cross_entropy(similarities(outputs, table) / temperature, labels)


def l1(outputs: Tensor, labels: Tensor, table: Tensor) -> Tensor:
    """The mean absolute difference over all dimensions."""
    return F.l1_loss(outputs, table[labels])


def mse(outputs: Tensor, labels: Tensor, table: Tensor) -> Tensor:
    """The mean squared difference over all dimensions."""
    return F.mse_loss(outputs, table[labels])


def similarities(outputs: Tensor, table: Tensor) -> Tensor:
    """(B, L) cosines of each output and each label."""
    return F.normalize(outputs, dim=1) @ table.T


def _violations(outputs: Tensor, labels: Tensor, table: Tensor, margin: float) -> Tensor:
    """(B, L) max(0, margin - cos(true label) + cos(label)); 0 at the true label."""
    scores = similarities(outputs, table)
    columns = labels.unsqueeze(1)
    return (margin - scores.gather(1, columns) + scores).clamp(min=0).scatter(1, columns, 0.0)
