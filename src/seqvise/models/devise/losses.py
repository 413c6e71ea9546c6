"""Losses that bring an image's vector to the vector of its label.

Each takes outputs (B, D) as the network gives them, labels (B,) as rows of a table, and the table (L, D) of the labels'
vectors, each of length 1; and gives the mean over the batch. ``cosine``, ``hinge``, ``hinge_first`` and ``contrastive``
look at the outputs' directions alone, ``l1`` and ``mse`` at their lengths too.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cosine(outputs: Tensor, labels: Tensor, table: Tensor) -> Tensor:
    """1 - cos(output, label): the lesson's loss."""
    return 1 - F.cosine_similarity(outputs, table[labels]).mean()


def hinge(outputs: Tensor, labels: Tensor, table: Tensor, margin: float = 0.1) -> Tensor:
    """Frome et al. (2013), equation 1: the sum over wrong labels j of max(0, margin - cos(right) + cos(j))."""
    return _violations(outputs, labels, table, margin).sum(1).mean()


def hinge_first(outputs: Tensor, labels: Tensor, table: Tensor, margin: float = 0.1) -> Tensor:
    """``hinge`` as Frome et al. trained it: of wrong labels in random order only the first that violates the margin.

    The first of them in random order is any of them with the same chance.
    """
    violations = _violations(outputs, labels, table, margin)
    order = torch.rand_like(violations).masked_fill(violations == 0, -1.0)
    return violations.gather(1, order.argmax(1, keepdim=True)).mean()


def contrastive(outputs: Tensor, labels: Tensor, table: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE over all labels: the cross entropy of a softmax over cos(output, label) / temperature.

    (van den Oord et al. 2018, arXiv:1807.03748, equation 4, the label table being both sides' set.)
    """
    return F.cross_entropy(similarities(outputs, table) / temperature, labels)


def l1(outputs: Tensor, labels: Tensor, table: Tensor) -> Tensor:
    """The mean absolute difference of all numbers."""
    return F.l1_loss(outputs, table[labels])


def mse(outputs: Tensor, labels: Tensor, table: Tensor) -> Tensor:
    """The mean squared difference of all numbers."""
    return F.mse_loss(outputs, table[labels])


def similarities(outputs: Tensor, table: Tensor) -> Tensor:
    """(B, L) the cosine of each output and each label."""
    return F.normalize(outputs, dim=1) @ table.T


def _violations(outputs: Tensor, labels: Tensor, table: Tensor, margin: float) -> Tensor:
    """(B, L) by how much each label is nearer than the right one less the margin; 0 at the right one."""
    scores = similarities(outputs, table)
    right = labels.unsqueeze(1)
    return (margin - scores.gather(1, right) + scores).clamp(min=0).scatter(1, right, 0.0)
