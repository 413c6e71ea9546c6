"""Ensembles of models."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from seqvise.decoding.decode import decode
from seqvise.decoding.ensemble import Ensemble, mean_of_log_probs, mean_of_probs
from seqvise.decoding.options import DecodingOptions
from seqvise.models.interface import BOS, EOS, StepModel
from tests.decoding import tiny

OPTIONS = DecodingOptions(beam=4, nbest=2)


def test_means_by_hand() -> None:
    log_probs = torch.tensor([[[0.8, 0.2]], [[0.2, 0.8]], [[0.2, 0.8]]]).log()
    assert mean_of_probs(log_probs).exp().tolist() == [pytest.approx([0.4, 0.6])]
    geometric = torch.tensor([0.8 * 0.2 * 0.2, 0.2 * 0.8 * 0.8]) ** (1 / 3)
    assert mean_of_log_probs(log_probs).exp().tolist() == [pytest.approx(geometric.tolist())]


@pytest.mark.parametrize("mean", ["probs", "log_probs"])
def test_a_model_with_itself_is_itself(mean: str) -> None:
    model, src = tiny.model(15, 1), tiny.batch(tiny.random_sources(8, 8))
    alone, twice = (
        decode(model, src, OPTIONS, attention=True),
        decode(Ensemble([model, model], mean), src, OPTIONS, attention=True),
    )
    assert torch.equal(alone.tokens, twice.tokens)
    assert torch.allclose(alone.scores, twice.scores, atol=1e-5)
    assert alone.attention is not None
    assert twice.attention is not None
    assert torch.allclose(alone.attention, twice.attention, atol=1e-5)


def test_a_step_is_the_mean_of_its_members_whatever_their_kind() -> None:
    members = [tiny.model(15, 1), tiny.model(15, 2, attention="none")]
    both, src = Ensemble(members), tiny.batch([[5, 6, EOS]])
    with torch.no_grad():
        probs: list[Tensor] = []
        for model in cast(list[StepModel[Any, Any]], [*members, both]):
            memory = model.encode(src)
            probs.append(torch.softmax(model.step(torch.tensor([BOS]), model.init(memory), memory).logits, 1))
    assert torch.allclose((probs[0] + probs[1]) / 2, probs[2], atol=1e-6)


def test_an_ensemble_of_two_finds_what_neither_finds_alone() -> None:
    src = tiny.batch(tiny.random_sources(20, 8))
    members = [tiny.model(15, seed) for seed in (1, 2)]
    outputs = [
        decode(model, src, OPTIONS).tokens[:, 0]
        for model in cast(list[StepModel[Any, Any]], [*members, Ensemble(members)])
    ]
    texts = [[tiny.words_of(row) for row in tokens] for tokens in outputs]
    assert texts[2] != texts[0]
    assert texts[2] != texts[1]
