"""A projection to a large vocabulary that computes few of its scores (Grave et al. 2017, "Efficient softmax
approximation for GPUs", arXiv:1609.04309).

The vocabulary, most frequent words first, is cut into a head and clusters. A word of the head has the probability that
the head gives it; any other word has that of its cluster, which the head gives, too, times its own in the cluster. A
training step scores the head for every row, and a cluster for the rows alone whose word is in it. It is a model of its
own and exact: all probabilities add up to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.softmax.chunked import linear_cross_entropy
from seqvise.models.softmax.generator import Generator


class AdaptiveGenerator(Generator):
    """``log p(v)``, from the rows of one weight and a vector for each cluster.

    Args:
        words: vocabulary size V.
        size: width D of the outputs.
        cuts: the first word of each cluster, rising, between 0 and V.
        weight: (V, D), where the projection shares the embedding's weight.
    """

    def __init__(self, words: int, size: int, cuts: Sequence[int], weight: Tensor | None = None) -> None:
        super().__init__(words, size, weight)
        if not cuts or any(low >= high for low, high in pairwise((0, *cuts, words))):
            raise ValueError(f"A vocabulary of {words} words cannot be cut at {', '.join(map(str, cuts))}.")
        bounds = [0, *cuts, words]
        self.sizes = [high - low for low, high in pairwise(bounds)]
        self.register_buffer("cuts", torch.tensor(cuts), persistent=False)
        self.clusters = nn.Linear(size, len(cuts))

    def forward(self, outputs: Tensor) -> Tensor:
        """Log-probabilities: (..., D) to (..., V)."""
        (weight, *tails), (bias, *tail_biases) = self._head(), self._biases()
        head = F.log_softmax(F.linear(outputs, weight, bias), -1)
        words, clusters = head.split([self.sizes[0], len(tails)], -1)
        parts = [words]
        for number, (rows, row_biases) in enumerate(zip(tails, tail_biases, strict=True)):
            inside = F.log_softmax(F.linear(outputs, rows, row_biases), -1)
            parts.append(clusters[..., number : number + 1] + inside)
        return torch.cat(parts, -1)

    def loss(
        self,
        outputs: Tensor,
        targets: Tensor,
        label_smoothing: float,
        chunk: int,
        dtype: torch.dtype,
        sampled: int | None = None,
    ) -> Tensor:
        """The sum of ``-log p(target)``; see ``Generator.loss``. label_smoothing: 0; sampled: None."""
        if label_smoothing or sampled is not None:
            raise ValueError("A cut vocabulary neither smooths labels, which reads all words, nor samples words.")
        (weight, *tails), (bias, *tail_biases) = self._head(), self._biases()
        cluster = torch.bucketize(targets, self.get_buffer("cuts"), right=True)
        first = torch.where(cluster == 0, targets, self.sizes[0] - 1 + cluster)
        total = linear_cross_entropy(outputs, weight, bias, first, 0.0, chunk, dtype)
        for number, (rows, row_biases) in enumerate(zip(tails, tail_biases, strict=True), 1):
            inside = (cluster == number).nonzero().squeeze(1)
            if len(inside):
                words = targets[inside] - self.get_buffer("cuts")[number - 1]
                total = total + linear_cross_entropy(outputs[inside], rows, row_biases, words, 0.0, chunk, dtype)
        return total

    @torch.no_grad()
    def scores(self, outputs: Tensor, targets: Tensor, chunk: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """See ``Generator.scores``. A cluster is looked into where it may hold the target or the likeliest word."""
        loss, right = outputs.new_zeros((), dtype=torch.float32), targets.new_zeros(())
        with torch.autocast(outputs.device.type, enabled=False):
            weights = [weight.to(dtype) for weight in self._head()]
            biases = [bias.to(dtype) for bias in self._biases()]
            for some, words in zip(outputs.split(chunk), targets.split(chunk), strict=True):
                picked, likeliest = self._looked_up(some.to(dtype), words, weights, biases)
                loss -= picked.sum()
                right += (likeliest == words).sum()
        return loss, right

    def _looked_up(
        self, outputs: Tensor, targets: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The targets' log-probabilities, and the likeliest words, (N,) each."""
        head = F.log_softmax(torch.addmm(biases[0], outputs, weights[0].t()).float(), 1)
        words, clusters = head.split([self.sizes[0], len(self.sizes) - 1], 1)
        best, likeliest = words.max(1)
        cluster = torch.bucketize(targets, self.get_buffer("cuts"), right=True)
        picked = words.gather(1, targets.clamp(max=self.sizes[0] - 1).unsqueeze(1)).squeeze(1)
        start = self.sizes[0]
        for number, size in enumerate(self.sizes[1:], 1):
            rows = ((cluster == number) | (clusters[:, number - 1] > best)).nonzero().squeeze(1)
            inside = F.log_softmax(torch.addmm(biases[number], outputs[rows], weights[number].t()).float(), 1)
            inside = inside + clusters[rows, number - 1].unsqueeze(1)
            mine = cluster[rows] == number
            picked[rows[mine]] = inside[mine].gather(1, (targets[rows[mine]] - start).unsqueeze(1)).squeeze(1)
            if len(rows):
                highest, place = inside.max(1)
                better = highest > best[rows]
                best[rows[better]], likeliest[rows[better]] = highest[better], place[better] + start
            start += size
        return picked, likeliest

    def _head(self) -> list[Tensor]:
        """The weights of the head, clusters behind its words, and of each cluster."""
        head, *tails = self.weight.split(self.sizes)
        return [torch.cat([head, self.clusters.weight]), *tails]

    def _biases(self) -> list[Tensor]:
        head, *tails = self.bias.split(self.sizes)
        return [torch.cat([head, self.clusters.bias]), *tails]
