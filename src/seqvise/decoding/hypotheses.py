"""The results of decoding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqvise.models.interface import PAD


@dataclass(frozen=True, eq=False)
class NBest:
    """The n-best hypotheses of each sentence, best first.

    If a sentence has fewer than K hypotheses, the remaining slots have no tokens and a score of minus infinity.
    """

    tokens: Tensor  # (B, K, T) int64, including ``EOS`` if it was reached, padded with ``PAD``
    scores: Tensor  # (B, K), ranking scores: log-probability divided by the length penalty, plus the coverage penalty
    log_probs: Tensor  # (B, K), the sum of the words' log-probabilities
    near_tie: Tensor  # (B,) bool, whether rounding could have decided between two words or two hypotheses
    # (B, K, T, S) weights over the source, zero after the end of a hypothesis; None if not requested or if the model
    # has no attention
    attention: Tensor | None = None

    def lengths(self) -> Tensor:
        """Length of each hypothesis in words, including ``EOS``: (B, K)."""
        return (self.tokens != PAD).sum(2)


def concat_nbest(parts: list[NBest]) -> NBest:
    """Concatenates the hypotheses of several batches, without attention."""
    steps = max(part.tokens.shape[2] for part in parts)
    tokens = [torch.nn.functional.pad(part.tokens, (0, steps - part.tokens.shape[2]), value=PAD) for part in parts]
    return NBest(
        torch.cat(tokens),
        torch.cat([part.scores for part in parts]),
        torch.cat([part.log_probs for part in parts]),
        torch.cat([part.near_tie for part in parts]),
    )


class Finished:
    """The finished hypotheses of each sentence, at most one per beam slot.

    Args:
        sentences: B.
        beam: slots per sentence.
        steps: maximum hypothesis length.
        device: the device of the search.

    Attributes:
        nonempty: whether any hypothesis has finished.
    """

    def __init__(self, sentences: int, beam: int, steps: int, device: torch.device) -> None:
        self.nonempty = False
        self.scores = torch.full((sentences, beam), float("-inf"), device=device)
        self.log_probs = self.scores.clone()
        self.tokens = torch.full((sentences, beam, steps), PAD, device=device)

    def add(self, sentences: Tensor, slots: Tensor, scores: Tensor, log_probs: Tensor, tokens: Tensor) -> None:
        """Stores F hypotheses that ended at one step.

        Args:
            sentences, slots: (F,) int64, where each hypothesis is stored; a slot is used once.
            scores, log_probs: (F,).
            tokens: (F, t) int64.
        """
        self.nonempty = True
        self.scores[sentences, slots] = scores
        self.log_probs[sentences, slots] = log_probs
        self.tokens[sentences, slots, : tokens.shape[1]] = tokens

    def threshold(self, sentences: Tensor, count: int) -> Tensor:
        """The score needed to be among the ``count`` best hypotheses of each of the sentences: (B,)."""
        return self.scores[sentences].topk(count, 1).values[:, -1]

    def best(self, count: int, near_tie: Tensor, margin: float) -> NBest:
        """The ``count`` best hypotheses of each sentence.

        Args:
            count: at most the beam size.
            near_tie: (B,) bool, sentences with a near-tie during the search.
            margin: two final scores that differ by less are a near-tie, too.
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
            near_tie | (gaps < margin).any(1),
        )
