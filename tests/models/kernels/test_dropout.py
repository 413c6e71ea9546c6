"""Dropout rates, scaling and gradients, and how long a mask is used."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqvise.models.interface import PairBatch
from seqvise.models.kernels.dropout import dropout, make_dropout, make_word_dropout
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import DropoutOptions, RecurrentOptions
from tests.models.test_combinations import batch

NONE: dict[str, Any] = {"source": 0.0, "encoder": 0.0, "decoder": 0.0, "output": 0.0}


def build(dropout: DropoutOptions, **choices: Any) -> Recurrent:
    torch.manual_seed(0)
    options = RecurrentOptions(embedding=8, encoder_hidden=6, decoder_hidden=8, dropout=dropout, **choices)
    return Recurrent(options, 15, 15).train()


def test_nothing_is_dropped_at_rate_0() -> None:
    values = torch.randn(2, 3)
    assert make_dropout(0.0, True)(values) is values
    assert make_word_dropout(0.0, values)(torch.tensor([1]), values) is values


def test_variational_dropout_has_one_mask_for_all_steps() -> None:
    torch.manual_seed(0)
    drop = make_dropout(0.25, True)
    sequence = drop(torch.ones(50, 3, 40))
    step = drop(torch.ones(50, 40))
    assert all(torch.equal(sequence[:, t], step) for t in range(3))
    torch.testing.assert_close(step.unique(), torch.tensor([0.0, 4 / 3]))
    assert 0.2 < float((step == 0).float().mean()) < 0.3
    assert not torch.equal(step[0], step[1]), "each sentence has a different mask"


@given(
    st.floats(0, 1),
    st.lists(st.integers(0, 5), min_size=0, max_size=3),
    st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    st.integers(0, 1000),
)
def test_kept_values_are_scaled_up_and_get_the_gradient(
    rate: float, shape: list[int], dtype: torch.dtype, seed: int
) -> None:
    torch.manual_seed(seed)
    values = (torch.rand(shape) + 0.5).to(dtype).requires_grad_()
    outputs = dropout(values, rate)
    assert outputs.shape == values.shape
    assert outputs.dtype == dtype
    (scale,) = torch.autograd.grad(outputs.sum(), values)
    torch.testing.assert_close(outputs, values * scale)
    kept = scale[scale != 0].double()
    if 1 - rate >= 1e-3:  # else the rounding of the rate is visible
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=1e-2, atol=0)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.35, 0.5, 0.999])
def test_the_dropped_share_is_the_rate_at_all_positions(rate: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(1_000_003)  # four values share a random number; the last one is used in part
    dropped = dropout(values, rate) == 0
    for offset in range(4):
        share, count = float(dropped[offset::4].double().mean()), len(dropped[offset::4])
        assert abs(share - rate) < 5 * (rate * (1 - rate) / count) ** 0.5
    both = float((dropped[:-1] & dropped[1:]).double().mean())
    assert abs(both - rate**2) < 5 * (rate**2 / 1e6) ** 0.5, "neighbours are dropped independently"


def test_rates_0_and_1() -> None:
    values = torch.randn(3, 4)
    assert dropout(values, 0.0) is values
    assert dropout(values, 0.5, training=False) is values
    assert torch.equal(dropout(values, 1.0), torch.zeros(3, 4))
    assert torch.equal(dropout(values, 1 - 1e-9), torch.zeros(3, 4))


def test_the_mask_does_not_depend_on_the_memory_layout() -> None:
    values = torch.rand(6, 5) + 1
    torch.manual_seed(1)
    first = dropout(values, 0.4)
    torch.manual_seed(1)
    second = dropout(values.t().contiguous().t(), 0.4)
    assert torch.equal(first, second)


def test_plain_dropout_has_a_mask_for_each_step() -> None:
    drop = make_dropout(0.5, False)
    assert not torch.equal(drop(torch.ones(5, 40)), drop(torch.ones(5, 40)))


def test_all_occurrences_of_a_word_are_dropped_entirely() -> None:
    torch.manual_seed(0)
    weight = torch.ones(200, 3)
    drop = make_word_dropout(0.5, weight)
    tokens = torch.arange(200)
    kept = drop(tokens, weight)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(kept, kept[:, :1].expand(-1, 3))
    assert torch.equal(drop(tokens.view(20, 10), weight.view(20, 10, 3)).view(200, 3), kept)


def is_zero(model: Recurrent, pairs: PairBatch, forced: torch.Tensor | None) -> torch.Tensor:
    outputs: torch.Tensor = model(pairs, forced)
    return outputs == 0


@pytest.mark.parametrize("forced", [None, "free"])
@pytest.mark.parametrize("attention", ["none", "additive"])
def test_variational_dropout_of_the_outputs_is_the_same_at_every_step(attention: str, forced: str | None) -> None:
    pairs = batch()
    mask = None if forced is None else torch.zeros_like(pairs.target, dtype=torch.bool)
    rates = {**NONE, "output": 0.5}
    dropped = is_zero(build(DropoutOptions(**rates, variational=True), attention=attention), pairs, mask)
    assert dropped.any()
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    dropped = is_zero(build(DropoutOptions(**rates), attention=attention), pairs, mask)
    assert not torch.equal(dropped, dropped[:, :1].expand_as(dropped))


def test_variational_dropout_of_source_words_is_the_same_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_weight_drop_has_one_mask_per_pass_for_the_recurrent_matrix(cell: str) -> None:
    model = build(DropoutOptions(**NONE, weights=0.5), cell=cell, encoder_layers=1)
    layer, source = cast(Any, model.encoder.forwards[0]), batch().source
    plain = cast(Any, {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell](8, 6, batch_first=True))
    plain.load_state_dict(layer.state_dict())
    torch.manual_seed(5)
    with torch.no_grad():
        plain.weight_hh_l0.copy_(dropout(layer.weight_hh_l0, 0.5))
    torch.manual_seed(5)
    outputs = model.encoder(source).outputs
    torch.testing.assert_close(outputs, plain(model.encoder.embedding(source.ids))[0])
    gradient = torch.autograd.grad(outputs.square().sum(), layer.weight_hh_l0)[0]
    dropped = plain.weight_hh_l0 == 0
    assert torch.equal(gradient == 0, dropped), "only kept weights get a gradient"


@pytest.mark.parametrize("attention", ["none", "additive"])
def test_weight_drop_applies_to_the_decoder_without_changing_its_parameters(attention: str) -> None:
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
    undropped = build(DropoutOptions(scale=0.0), attention=attention)
    torch.testing.assert_close(model.eval()(batch()), undropped(batch()))
