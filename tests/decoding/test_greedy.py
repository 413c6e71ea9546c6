"""Greedy decoding with a model that copies its source."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seqvise.decoding.greedy import greedy, length_limits
from seqvise.models.interface import EOS, PAD, SourceBatch, StepOutput
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions


class Copied(NamedTuple):
    ids: Tensor


class Copier:
    """Outputs the source words in order; attention points at the copied word."""

    def encode(self, src: SourceBatch) -> Copied:
        return Copied(src.ids)

    def init(self, memory: Copied) -> Tensor:
        return torch.zeros(len(memory.ids), dtype=torch.long)

    def step(self, tokens: Tensor, state: Tensor, memory: Copied) -> StepOutput[Tensor]:
        position = state.clamp(max=memory.ids.shape[1] - 1)
        words = memory.ids.gather(1, position.unsqueeze(1)).squeeze(1)
        attention = torch.nn.functional.one_hot(position, memory.ids.shape[1]).float()
        return StepOutput(torch.nn.functional.one_hot(words, 20).float(), state + 1, attention)

    def reorder(self, state: Tensor, rows: Tensor) -> Tensor:
        return state[rows]

    def select(self, memory: Copied, rows: Tensor) -> Copied:
        return Copied(memory.ids[rows])


def test_sentences_end_independently() -> None:
    ids = torch.tensor([[5, 6, EOS, PAD], [7, EOS, PAD, PAD], [8, 9, 10, EOS]])
    hypotheses = greedy(Copier(), SourceBatch(ids, torch.tensor([3, 2, 4])), attention=True)
    assert torch.equal(hypotheses.tokens, ids)
    assert hypotheses.attention is not None
    assert hypotheses.attention[2].argmax(1).tolist() == [0, 1, 2, 3]
    assert not hypotheses.attention[1, 2:].any()


def test_a_sentence_that_never_ends_is_stopped() -> None:
    src = SourceBatch(torch.tensor([[5, 5, 5, 5], [5, 5, EOS, PAD]]), torch.tensor([4, 3]))
    hypotheses = greedy(Copier(), src)
    assert length_limits(src).tolist() == [16, 14]
    assert hypotheses.tokens.shape == (2, 16)
    assert (hypotheses.tokens[0] == 5).all()
    assert hypotheses.tokens[1].tolist() == [5, 5, EOS] + [PAD] * 13
    assert hypotheses.attention is None


def test_a_batch_decodes_as_each_sentence_alone() -> None:
    torch.manual_seed(0)
    options = RecurrentOptions(
        embedding=8, encoder_hidden=8, decoder_hidden=8, attention="additive", bidirectional=True
    )
    model = Recurrent(options, 20, 20).eval()
    torch.nn.init.normal_(model.generator.bias)  # so that sentences differ and some end
    sources = [torch.randint(4, 20, (length,)) for length in (3, 9, 5, 1)]
    lengths = torch.tensor([len(source) for source in sources])
    together = greedy(model, SourceBatch(torch.nn.utils.rnn.pad_sequence(sources, True, PAD), lengths)).tokens
    for source, tokens in zip(sources, together, strict=True):
        alone = greedy(model, SourceBatch(source[None], torch.tensor([len(source)]))).tokens[0]
        assert tokens[: len(alone)].tolist() == alone.tolist()
        assert (tokens[len(alone) :] == PAD).all()
