"""A translation task with a loss that gives less weight to easy words."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from seqvise.models.interface import PAD, PairBatch
from seqvise.tasks.translation import TranslationTask


class FocalTranslation(TranslationTask):
    """Trains with the focal loss ``-(1 - p)^2 log p`` (Lin et al., 2017); validates as ``TranslationTask`` does."""

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        """Returns the mean focal loss over all target words but padding, with teacher forcing."""
        real = batch.target != PAD
        words = self.seq2seq.generator
        scores = F.linear(self.seq2seq(batch)[real], words.weight, words.bias)
        log_p = -F.cross_entropy(scores, batch.target[real], reduction="none")
        loss = -((1 - log_p.exp()).square() * log_p).mean()
        self.last_tokens = int(real.sum())
        self.log("train/loss", loss.detach())
        return loss
