"""The loss of references in batches against a loop over single sentences."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from seqvise.metrics import perplexity
from seqvise.metrics.perplexity import Ids, ReferenceLoss, reference_loss
from seqvise.models.interface import EOS, UNK, PairBatch, pad, source_batch
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions

CPU = torch.device("cpu")


def sentences(lengths: Sequence[int], vocab_size: int, seed: int) -> list[Ids]:
    random = np.random.default_rng(seed)
    return [np.array([*random.integers(UNK, vocab_size, length), EOS], np.int32) for length in lengths]


SOURCES, TARGETS = sentences([3, 9, 1, 5, 9, 2], 11, 0), sentences([4, 2, 8, 1, 6, 0], 13, 1)


@pytest.fixture(scope="module")
def model() -> Recurrent:
    torch.manual_seed(3)
    return Recurrent(RecurrentOptions(embedding=6, encoder_hidden=5, decoder_hidden=6), 11, 13).eval()


def loss_of_single_sentences(model: Recurrent) -> float:
    """The mean loss per word, computed by torch for one sentence at a time."""
    total = 0.0
    for source, target in zip(SOURCES, TARGETS, strict=True):
        batch = PairBatch(source_batch([source]), pad([target])[0], torch.tensor([0]))
        total += float(nn.functional.cross_entropy(model.generator(model(batch))[0], batch.target[0], reduction="sum"))
    return total / sum(map(len, TARGETS))


@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("max_steps", [5, 30, 10_000])
def test_the_loss_does_not_depend_on_batches(
    model: Recurrent, batch_size: int, max_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perplexity, "MAX_STEPS", max_steps)
    with torch.no_grad():
        expected = loss_of_single_sentences(model)
    result = reference_loss(model, SOURCES, TARGETS, batch_size, CPU)
    assert result.loss == pytest.approx(expected, rel=1e-5)
    assert result.perplexity == pytest.approx(math.exp(expected), rel=1e-5)
    assert result.word_count == 4 + 2 + 8 + 1 + 6 + 0 + 6
    assert result.unknown == sum((ids == UNK).sum() for ids in TARGETS)


def test_batches_contain_every_row_once_and_respect_both_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perplexity, "MAX_STEPS", 120)
    random = np.random.default_rng(5)
    sources, targets = (sentences(random.integers(0, 30, 50).tolist(), 9, seed) for seed in (1, 2))
    batches = list(perplexity._batches(sources, targets, 3))
    assert sorted(row for batch in batches for row in batch) == list(range(50))
    for batch in batches:
        widths = [max(len(side[row]) for row in batch) for side in (sources, targets)]
        assert len(batch) == 1 or (len(batch) <= 3 and sum(widths) * len(batch) <= 120)
    assert {2, 3} == set(map(len, batches))


def test_a_perplexity_that_overflows_is_infinite() -> None:
    assert ReferenceLoss(1000.0, 1, 0).perplexity == math.inf
    assert ReferenceLoss(math.log(8), 1, 0).perplexity == pytest.approx(8)
