"""Adaptive softmax (Grave et al. 2017, "Efficient softmax approximation for GPUs", arXiv:1609.04309).

The vocabulary, most frequent words first, is cut into a head and clusters. The head predicts the probability of each of
its words and of each cluster. The probability of any other word is that of its cluster times its probability within the
cluster. A training step computes the head for every row, and a cluster only for the rows whose target is in it. The
loss is exact for this model: all probabilities add up to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.softmax.chunked import linear_cross_entropy
from seqvise.models.softmax.generator import Generator

Part = tuple[Tensor, Tensor]
"""Weight and bias of a softmax."""


class AdaptiveGenerator(Generator):
    """A projection to log-probabilities, with one weight row per word and per cluster.

    Args:
        vocab_size: V.
        size: width D of the outputs.
        cuts: the first word of each cluster, strictly ascending, between 0 and V.
        weight: (V, D), the embedding's weight if it is shared.

    Raises:
        ValueError: ``cuts`` are empty, not ascending, or not between 0 and V.
    """

    def __init__(self, vocab_size: int, size: int, cuts: Sequence[int], weight: Tensor | None = None) -> None:
        super().__init__(vocab_size, size, weight)
        bounds = [0, *cuts, vocab_size]
        if not cuts or any(low >= high for low, high in pairwise(bounds)):
            raise ValueError(
                f"model.adaptive is {list(cuts)}, but must ascend between 0 and the vocabulary size ({vocab_size}): "
                "set it to smaller numbers, or to null."
            )
        self.sizes = [high - low for low, high in pairwise(bounds)]
        self.register_buffer("cuts", torch.tensor(cuts), persistent=False)
        self.clusters = nn.Linear(size, len(cuts))

    def forward(self, outputs: Tensor) -> Tensor:
        """Log-probabilities: (..., D) to (..., V)."""
        head, *tails = (F.log_softmax(F.linear(outputs, *part), -1) for part in self._parts())
        words, *clusters = head.split([self.sizes[0], *[1] * len(tails)], -1)
        return torch.cat([words, *(cluster + tail for cluster, tail in zip(clusters, tails, strict=True))], -1)

    def loss(
        self,
        outputs: Tensor,
        targets: Tensor,
        label_smoothing: float,
        chunk: int,
        dtype: torch.dtype,
        sampled: int | None = None,
    ) -> Tensor:
        """The sum of ``-log p(target)``; see ``Generator.loss``. label_smoothing must be 0 and sampled None.

        Raises:
            ValueError: label smoothing or sampling is requested.
        """
        if label_smoothing or sampled is not None:
            raise ValueError(
                "model.adaptive does not support label smoothing, which needs all words, nor sampling: set "
                "loss.label_smoothing=0 and loss.sampled=null, or model.adaptive=null."
            )
        head, *tails = self._parts()
        cluster = torch.bucketize(targets, self.get_buffer("cuts"), right=True)
        head_targets = torch.where(cluster == 0, targets, self.sizes[0] - 1 + cluster)
        total = linear_cross_entropy(outputs, *head, head_targets, 0.0, chunk, dtype)
        for number, tail in enumerate(tails, 1):
            rows = (cluster == number).nonzero().squeeze(1)
            if len(rows):
                words = targets[rows] - self.get_buffer("cuts")[number - 1]
                total = total + linear_cross_entropy(outputs[rows], *tail, words, 0.0, chunk, dtype)
        return total

    @torch.no_grad()
    def scores(self, outputs: Tensor, targets: Tensor, chunk: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """See ``Generator.scores``. Clusters that cannot contain the target or the most likely word are skipped."""
        loss, correct = outputs.new_zeros((), dtype=torch.float32), targets.new_zeros(())
        with torch.autocast(outputs.device.type, enabled=False):
            parts = [(weight.to(dtype), bias.to(dtype)) for weight, bias in self._parts()]
            for chunk_outputs, chunk_targets in zip(outputs.split(chunk), targets.split(chunk), strict=True):
                log_probs, predictions = self._predict(chunk_outputs.to(dtype), chunk_targets, parts)
                loss -= log_probs.sum()
                correct += (predictions == chunk_targets).sum()
        return loss, correct

    def _predict(self, outputs: Tensor, targets: Tensor, parts: Sequence[Part]) -> tuple[Tensor, Tensor]:
        """The targets' log-probabilities and the most likely words, (N,) each."""
        head = _log_probs(outputs, parts[0])
        words, clusters = head.split([self.sizes[0], len(self.sizes) - 1], 1)
        best, predictions = words.max(1)
        cluster = torch.bucketize(targets, self.get_buffer("cuts"), right=True)
        log_probs = words.gather(1, targets.clamp(max=self.sizes[0] - 1).unsqueeze(1)).squeeze(1)
        start = self.sizes[0]
        for number, size in enumerate(self.sizes[1:], 1):
            rows = ((cluster == number) | (clusters[:, number - 1] > best)).nonzero().squeeze(1)
            within = _log_probs(outputs[rows], parts[number]) + clusters[rows, number - 1].unsqueeze(1)
            has_target = cluster[rows] == number
            columns = (targets[rows[has_target]] - start).unsqueeze(1)
            log_probs[rows[has_target]] = within[has_target].gather(1, columns).squeeze(1)
            if len(rows):
                highest, column = within.max(1)
                better = highest > best[rows]
                best[rows[better]], predictions[rows[better]] = highest[better], column[better] + start
            start += size
        return log_probs, predictions

    def _parts(self) -> list[Part]:
        """The head (its words, then the clusters) and each cluster."""
        (head, *tails), (bias, *tail_biases) = self.weight.split(self.sizes), self.bias.split(self.sizes)
        whole_head = torch.cat([head, self.clusters.weight]), torch.cat([bias, self.clusters.bias])
        return [whole_head, *zip(tails, tail_biases, strict=True)]


def _log_probs(outputs: Tensor, part: Part) -> Tensor:
    weight, bias = part
    return F.log_softmax(torch.addmm(bias, outputs, weight.t()).float(), 1)
