"""Hypotheses that have ended."""

from __future__ import annotations

import torch
from torch import Tensor

from seqvise.decoding.hypotheses import NBest
from seqvise.models.interface import PAD


class Finished:
    """As many ended hypotheses a sentence as a beam can have.

    Args:
        sentences: B.
        beam: places a sentence.
        steps: the most words of a hypothesis.
        device: where the search runs.

    Attributes:
        some: whether any has ended.
    """

    def __init__(self, sentences: int, beam: int, steps: int, device: torch.device) -> None:
        self.some = False
        self.scores = torch.full((sentences, beam), float("-inf"), device=device)
        self.log_probs = self.scores.clone()
        self.tokens = torch.full((sentences, beam, steps), PAD, device=device)

    def add(self, sentences: Tensor, places: Tensor, scores: Tensor, log_probs: Tensor, tokens: Tensor) -> None:
        """Keeps F hypotheses that ended at one step.

        Args:
            sentences, places: (F,) int64, where each is kept; a place is used once.
            scores, log_probs: (F,).
            tokens: (F, t) int64.
        """
        self.some = True
        self.scores[sentences, places] = scores
        self.log_probs[sentences, places] = log_probs
        self.tokens[sentences, places, : tokens.shape[1]] = tokens

    def threshold(self, sentences: Tensor, count: int) -> Tensor:
        """The score that a hypothesis must reach to be among the ``count`` best: (B,), for the given sentences."""
        return self.scores[sentences].topk(count, 1).values[:, -1]

    def best(self, count: int, close: Tensor, margin: float) -> NBest:
        """The ``count`` best of each sentence.

        Args:
            count: at most the beam.
            close: (B,) bool, sentences in whose search rounding could have decided.
            margin: sentences where two scores are nearer than this are close as well.
        """
        scores, order = self.scores.sort(dim=1, descending=True, stable=True)
        gaps = scores[:, :count] - torch.nn.functional.pad(scores, (0, 1), value=float("-inf"))[:, 1 : count + 1]
        chosen = order[:, :count]
        tokens = self.tokens.gather(1, chosen.unsqueeze(2).expand(-1, -1, self.tokens.shape[2]))
        steps = int((tokens != PAD).any(0).any(0).sum())
        return NBest(
            tokens[:, :, :steps],
            scores[:, :count],
            self.log_probs.gather(1, chosen),
            close | (gaps < margin).any(1),
        )
