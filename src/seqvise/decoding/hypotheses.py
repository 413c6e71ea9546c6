"""What decoding gives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqvise.models.interface import PAD


@dataclass(frozen=True, eq=False)
class NBest:
    """The hypotheses of each sentence, the best first.

    Where a sentence has fewer than K, the places left have no tokens and a score of minus infinity.

    Attributes:
        tokens: (B, K, T) int64, ``EOS`` included where one was said in time, then ``PAD``.
        scores: (B, K), what they are ranked by: log-probability over length penalty, with the coverage penalty.
        log_probs: (B, K), the sum of the words' log-probabilities.
        close: (B,) bool, whether rounding could have decided between two words or two hypotheses.
        attention: (B, K, T, S) weights over the source, zero after a hypothesis's end, or None where not asked for or
            not there.
    """

    tokens: Tensor
    scores: Tensor
    log_probs: Tensor
    close: Tensor
    attention: Tensor | None = None

    def lengths(self) -> Tensor:
        """Words of each hypothesis, ``EOS`` included: (B, K)."""
        return (self.tokens != PAD).sum(2)


def joined(parts: list[NBest]) -> NBest:
    """The hypotheses of several batches, one behind the other; none has attention."""
    steps = max(part.tokens.shape[2] for part in parts)
    tokens = [torch.nn.functional.pad(part.tokens, (0, steps - part.tokens.shape[2]), value=PAD) for part in parts]
    return NBest(
        torch.cat(tokens),
        torch.cat([part.scores for part in parts]),
        torch.cat([part.log_probs for part in parts]),
        torch.cat([part.close for part in parts]),
    )


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
