"""Log-probabilities of sentences, compared with the sum over single steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seqvise.inference.rescoring import sentence_log_probs, word_log_probs
from seqvise.models.interface import BOS, EOS, PAD, PairBatch, SourceBatch
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions


def build(attention: str = "additive") -> Recurrent:
    torch.manual_seed(0)
    options = RecurrentOptions(embedding=8, encoder_hidden=6, decoder_hidden=8, attention=attention)
    model = Recurrent(options, 11, 13).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.7)
    return model


def stepped(model: Recurrent, source: list[int], target: list[int]) -> float:
    """The sum over steps, computed for a single sentence word by word."""
    memory = model.encode(SourceBatch(torch.tensor([source]), torch.tensor([len(source)])))
    state, word, total = model.init(memory), BOS, 0.0
    for target_word in target:
        output = model.step(torch.tensor([word]), state, memory)
        total += float(torch.log_softmax(output.logits[0], 0)[target_word])
        state, word = output.state, target_word
    return total


def padded(sentences: list[list[int]]) -> Tensor:
    rows = [torch.tensor(sentence) for sentence in sentences]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)


@torch.no_grad()
@pytest.mark.parametrize("attention", ["additive", "none"])
@pytest.mark.parametrize("chunk", [1, 3, 512])
def test_it_is_the_sum_over_steps(attention: str, chunk: int) -> None:
    model = build(attention)
    sources = [[4, 5, EOS], [6, EOS], [7, 8, 9, 10, EOS], [EOS]]
    targets = [[4, EOS], [5, 6, 12, 3, EOS], [EOS], [7, 7, EOS]]
    source = SourceBatch(padded(sources), torch.tensor([len(sentence) for sentence in sources]))
    log_probs = sentence_log_probs(model, PairBatch(source, padded(targets), torch.arange(4)), chunk)
    assert log_probs.shape == (4,)
    assert log_probs.tolist() == pytest.approx(
        [stepped(model, *pair) for pair in zip(sources, targets, strict=True)], rel=1e-4
    )


def test_no_words_have_no_probabilities() -> None:
    assert word_log_probs(build().generator, torch.zeros(0, 8), torch.zeros(0, dtype=torch.long), 4).shape == (0,)
