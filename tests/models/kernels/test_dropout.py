"""What is dropped, and for how long it stays dropped."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqvise.models.interface import PairBatch
from seqvise.models.kernels.dropout import dropout, dropping, dropping_words
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import DropoutOptions, RecurrentOptions
from tests.models.test_combinations import batch

NONE: dict[str, Any] = {"source": 0.0, "encoder": 0.0, "decoder": 0.0, "output": 0.0}


def build(dropout: DropoutOptions, **choices: Any) -> Recurrent:
    torch.manual_seed(0)
    options = RecurrentOptions(embedding=8, encoder_hidden=6, decoder_hidden=8, dropout=dropout, **choices)
    return Recurrent(options, 15, 15).train()


def test_nothing_is_dropped_out_of_training_nor_at_rate_0() -> None:
    values = torch.randn(2, 3)
    assert dropping(0.0, True)(values) is values
    assert dropping_words(0.0, values)(torch.tensor([1]), values) is values


def test_variational_dropout_has_one_mask_for_all_steps() -> None:
    torch.manual_seed(0)
    drop = dropping(0.25, True)
    at_once = drop(torch.ones(50, 3, 40))
    step = drop(torch.ones(50, 40))
    assert all(torch.equal(at_once[:, t], step) for t in range(3))
    torch.testing.assert_close(step.unique(), torch.tensor([0.0, 4 / 3]))
    assert 0.2 < float((step == 0).float().mean()) < 0.3
    assert not torch.equal(step[0], step[1]), "each sentence has a mask of its own"


@given(
    st.floats(0, 1),
    st.lists(st.integers(0, 5), min_size=0, max_size=3),
    st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    st.integers(0, 1000),
)
def test_what_is_kept_is_scaled_up_and_has_the_gradient(
    rate: float, shape: list[int], kind: torch.dtype, seed: int
) -> None:
    torch.manual_seed(seed)
    values = (torch.rand(shape) + 0.5).to(kind).requires_grad_()
    found = dropout(values, rate)
    assert found.shape == values.shape
    assert found.dtype == kind
    (scale,) = torch.autograd.grad(found.sum(), values)
    torch.testing.assert_close(found, values * scale)
    kept = scale[scale != 0].double()
    if 1 - rate >= 1e-3:  # else the rounding of the chance shows
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=1e-2, atol=0)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.35, 0.5, 0.999])
def test_as_many_are_dropped_as_asked_for_wherever_they_stand(rate: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(1_000_003)  # four share a draw, and the last draw is cut
    dropped = dropout(values, rate) == 0
    for place in range(4):
        share, number = float(dropped[place::4].double().mean()), len(dropped[place::4])
        assert abs(share - rate) < 5 * (rate * (1 - rate) / number) ** 0.5
    both = float((dropped[:-1] & dropped[1:]).double().mean())
    assert abs(both - rate**2) < 5 * (rate**2 / 1e6) ** 0.5, "neighbours are dropped without regard to each other"


def test_dropout_ends() -> None:
    values = torch.randn(3, 4)
    assert dropout(values, 0.0) is values
    assert dropout(values, 0.5, training=False) is values
    assert torch.equal(dropout(values, 1.0), torch.zeros(3, 4))
    assert torch.equal(dropout(values, 1 - 1e-9), torch.zeros(3, 4))


def test_a_seed_gives_the_same_mask_of_values_that_lie_otherwise() -> None:
    values = torch.rand(6, 5) + 1
    torch.manual_seed(1)
    first = dropout(values, 0.4)
    torch.manual_seed(1)
    second = dropout(values.t().contiguous().t(), 0.4)
    assert torch.equal(first, second)


def test_plain_dropout_has_a_mask_for_each_step() -> None:
    drop = dropping(0.5, False)
    assert not torch.equal(drop(torch.ones(5, 40)), drop(torch.ones(5, 40)))


def test_words_are_dropped_whole_and_wherever_they_stand() -> None:
    torch.manual_seed(0)
    weight = torch.ones(200, 3)
    drop = dropping_words(0.5, weight)
    tokens = torch.arange(200)
    kept = drop(tokens, weight)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(kept, kept[:, :1].expand(-1, 3))
    assert torch.equal(drop(tokens.view(20, 10), weight.view(20, 10, 3)).view(200, 3), kept)


def zeros(model: Recurrent, pairs: PairBatch, forced: torch.Tensor | None) -> torch.Tensor:
    outputs: torch.Tensor = model(pairs, forced)
    return outputs == 0


@pytest.mark.parametrize("forced", [None, "free"])
@pytest.mark.parametrize("attention", ["none", "additive"])
def test_a_model_drops_the_same_of_its_outputs_at_every_step(attention: str, forced: str | None) -> None:
    pairs = batch()
    mask = None if forced is None else torch.zeros_like(pairs.target, dtype=torch.bool)
    rates = {**NONE, "output": 0.5}
    found = zeros(build(DropoutOptions(**rates, variational=True), attention=attention), pairs, mask)
    assert found.any()
    assert torch.equal(found, found[:, :1].expand_as(found))
    found = zeros(build(DropoutOptions(**rates), attention=attention), pairs, mask)
    assert not torch.equal(found, found[:, :1].expand_as(found))


def test_the_encoder_drops_the_same_of_each_word(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(DropoutOptions(**{**NONE, "source": 0.5}, variational=True))
    with torch.no_grad():
        model.encoder.embedding.weight.fill_(1.0)
    layer = cast(Any, model.encoder.forwards[0])
    run = Mock(wraps=layer.run)
    monkeypatch.setattr(layer, "run", run)
    model.encode(batch().source)
    inputs = run.call_args.args[0]
    assert set(inputs.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(inputs, inputs[:, :1].expand_as(inputs))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_weight_drop_is_one_mask_a_pass_over_the_recurrent_matrix(cell: str) -> None:
    model = build(DropoutOptions(**NONE, weights=0.5), cell=cell, encoder_layers=1)
    layer, source = cast(Any, model.encoder.forwards[0]), batch().source
    plain = cast(Any, {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell](8, 6, batch_first=True))
    plain.load_state_dict(layer.state_dict())
    torch.manual_seed(5)
    with torch.no_grad():
        plain.weight_hh_l0.copy_(dropout(layer.weight_hh_l0, 0.5))
    torch.manual_seed(5)
    found = model.encoder(source).outputs
    torch.testing.assert_close(found, plain(model.encoder.embedding(source.ids))[0])
    gradient = torch.autograd.grad(found.square().sum(), layer.weight_hh_l0)[0]
    dropped = plain.weight_hh_l0 == 0
    assert torch.equal(gradient == 0, dropped), "the gradient goes through what was kept, and nothing else"


@pytest.mark.parametrize("attention", ["none", "additive"])
def test_weight_drop_reaches_the_decoder_and_leaves_the_model_as_it_was(attention: str) -> None:
    model = build(DropoutOptions(**NONE, weights=0.5), attention=attention)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    outputs = model(batch())
    assert not torch.equal(outputs, model(batch()))
    outputs.sum().backward()
    gradient = cast(Any, model.decoder.layers[1]).weight_hh_l0.grad
    assert 0.3 < float((gradient == 0).float().mean()) < 0.7
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }
    whole = build(DropoutOptions(scale=0.0), attention=attention)
    torch.testing.assert_close(model.eval()(batch()), whole(batch()))
