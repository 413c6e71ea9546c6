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
