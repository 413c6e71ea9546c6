"""The models of fast.ai's lesson 11 (2018), in plain current torch: time-major, one loop, no optimizations.

They are the baseline: for equal values in the tests, for time in the benchmarks. Two corrections, as in our models: the
tied weight is one Parameter, and attention masks padding if lengths are given.
"""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LessonModel(nn.Module):
    """The plain, bidirectional, teacher-forcing and attention models in one class, chosen by two flags.

    Args:
        source_size, target_size: vocabulary sizes.
        embedding: width of the word vectors and of the decoder.
        hidden: width of the encoder per direction.
        layers: layers of encoder and decoder.
        bidirectional, attention: the variants of fast.ai's lesson 11.
        dropout: false disables all dropouts.
    """

    def __init__(
        self,
        source_size: int,
        target_size: int,
        embedding: int = 300,
        hidden: int = 256,
        layers: int = 2,
        bidirectional: bool = False,
        attention: bool = False,
        dropout: bool = True,
    ) -> None:
        super().__init__()
        on = 1.0 if dropout else 0.0
        width = hidden * 2 if bidirectional else hidden
        self.layers, self.bidirectional, self.attention = layers, bidirectional, attention
        self.emb_enc = nn.Embedding(source_size, embedding, padding_idx=1)
        self.emb_enc_drop = nn.Dropout(0.15 * on)
        self.gru_enc = nn.GRU(embedding, hidden, num_layers=layers, dropout=0.25 * on, bidirectional=bidirectional)
        self.drop_enc = nn.Dropout(0.05 * on if bidirectional else 0.0)
        self.out_enc = nn.Linear(width, embedding, bias=False)
        self.emb_dec = nn.Embedding(target_size, embedding, padding_idx=1)
        self.gru_dec = nn.GRU(embedding, embedding, num_layers=layers, dropout=0.1 * on)
        self.out_drop = nn.Dropout(0.35 * on)
        self.out = nn.Linear(embedding, target_size)
        self.out.weight = self.emb_dec.weight
        if attention:
            self.W1 = nn.Parameter(torch.randn(width, embedding) / math.sqrt(width))
            self.l2 = nn.Linear(embedding, embedding)
            self.l3 = nn.Linear(embedding + width, embedding)
            self.V = nn.Parameter(torch.randn(embedding) / math.sqrt(embedding))
        self.pr_force = 0.0

    def forward(self, inp: Tensor, y: Tensor, draws: list[Tensor] | None = None) -> Tensor:
        """Logits (T, B, V) for source (S, B) and target (T, B).

        ``draws``, for tests, holds for each step (B,) whether the next input is the reference. By default there is one
        draw per step with probability ``pr_force``.
        """
        enc_out, h = self.gru_enc(self.emb_enc_drop(self.emb_enc(inp)))
        if self.bidirectional:
            h = h.view(self.layers, 2, inp.shape[1], -1).permute(0, 2, 1, 3).reshape(self.layers, inp.shape[1], -1)
        h = self.out_enc(self.drop_enc(h)).contiguous()
        w1e = enc_out @ self.W1 if self.attention else None
        dec_inp = torch.zeros(inp.shape[1], dtype=torch.long)
        res = []
        for i in range(len(y)):
            step_inp = self.emb_dec(dec_inp)
            if w1e is not None:
                u = torch.tanh(w1e + self.l2(h[-1]))
                a = F.softmax(u @ self.V, 0)
                xa = (a.unsqueeze(2) * enc_out).sum(0)
                step_inp = self.l3(torch.cat([step_inp, xa], 1))
            outp, h = self.gru_dec(step_inp.unsqueeze(0), h)
            outp = self.out(self.out_drop(outp[0]))
            res.append(outp)
            dec_inp = self._next(outp, y[i], None if draws is None else draws[i])
        return torch.stack(res)

    def _next(self, outp: Tensor, reference: Tensor, draw: Tensor | None) -> Tensor:
        predicted = outp.detach().argmax(1)
        if draw is not None:
            return torch.where(draw, reference, predicted)
        return reference if random.random() < self.pr_force else predicted


def seq2seq_loss(logits: Tensor, target: Tensor, count_padding: bool = True) -> Tensor:
    """Cross entropy over (T, B, V) and (T, B); the lesson counts padding."""
    flat, words = logits.flatten(0, 1), target.flatten()
    return F.cross_entropy(flat, words) if count_padding else F.cross_entropy(flat, words, ignore_index=1)
