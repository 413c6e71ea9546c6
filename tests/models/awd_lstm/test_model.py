"""The AWD-LSTM against loops over its equations, and its regularisation."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.machine import can_autocast_lstm
from seqvise.models.awd_lstm.model import (
    AwdLstm,
    StreamOutput,
    activation_penalty,
    detach_state,
    map_words,
)
from seqvise.models.awd_lstm.options import ClassifierOptions, LanguageModelOptions, StreamDropoutOptions
from seqvise.models.kernels.dropout import dropout
from seqvise.options import option_errors

VOCAB_SIZE, ROWS, STEPS = 11, 3, 6


def model(cell: str = "lstm", **choices: object) -> AwdLstm:
    torch.manual_seed(0)
    options = LanguageModelOptions(cell=cell, embedding=5, hidden=7, **choices)  # type: ignore[arg-type]
    return AwdLstm(options, VOCAB_SIZE).double()


def tokens(steps: int = STEPS) -> Tensor:
    return torch.randint(VOCAB_SIZE, (ROWS, steps), generator=torch.Generator().manual_seed(1))


def lstm_step(layer: Any, value: Tensor, h: Tensor, c: Tensor, recurrent: Tensor) -> tuple[Tensor, Tensor]:
    gates = F.linear(value, layer.weight_ih_l0, layer.bias_ih_l0) + F.linear(h, recurrent, layer.bias_hh_l0)
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, 1)
    c = forget_gate.sigmoid() * c + input_gate.sigmoid() * candidate.tanh()
    return output_gate.sigmoid() * c.tanh(), c


def gru_step(layer: Any, value: Tensor, h: Tensor, recurrent: Tensor) -> Tensor:
    x = F.linear(value, layer.weight_ih_l0, layer.bias_ih_l0).chunk(3, 1)
    u = F.linear(h, recurrent, layer.bias_hh_l0).chunk(3, 1)
    reset, update = (x[0] + u[0]).sigmoid(), (x[1] + u[1]).sigmoid()
    return (1 - update) * (x[2] + reset * u[2]).tanh() + update * h


def loop(net: AwdLstm, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs with and without dropout, token by token; masks are drawn once for all steps, in the model's order."""
    rates, encoder = net.options.dropout.scaled(net.training), net.encoder
    layers: list[Any] = list(encoder.layers)
    dtype = encoder.embedding.weight.dtype
    word_mask = dropout(torch.ones(VOCAB_SIZE, 1, dtype=dtype), rates.words)
    mask = dropout(torch.ones(ROWS, 5, dtype=dtype), rates.input)
    values = [(encoder.embedding.weight * word_mask)[ids[:, t]] * mask for t in range(ids.shape[1])]
    raw = values
    for index, layer in enumerate(layers):
        recurrent = dropout(layer.weight_hh_l0, rates.weights)
        size = layer.hidden_size
        h = c = torch.zeros(ROWS, size, dtype=dtype)
        raw = []
        for value in values:
            if net.options.cell == "lstm":
                h, c = lstm_step(layer, value, h, c, recurrent)
            else:
                h = gru_step(layer, value, h, recurrent)
            raw.append(h)
        rate = rates.output if index == len(layers) - 1 else rates.hidden
        mask = dropout(torch.ones(ROWS, size, dtype=dtype), rate)
        values = [value * mask for value in raw]
    return torch.stack(values, 1), torch.stack(raw, 1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)  # a CPU has a different kernel for each
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_values_and_gradients_equal_those_of_a_loop(cell: str, dtype: torch.dtype) -> None:
    net = model(cell).to(dtype)
    weights = torch.randn(ROWS, STEPS, VOCAB_SIZE, dtype=dtype)
    actual: list[Tensor] = []
    expected: list[Tensor] = []
    for results, run in ((actual, lambda ids: net(ids)[:2]), (expected, lambda ids: loop(net, ids))):
        torch.manual_seed(5)
        outputs, raw = run(tokens())
        results += [outputs, raw]
        loss = (net.generator(outputs) * weights).sum() + raw.square().sum()
        results += torch.autograd.grad(loss, list(net.parameters()))
    assert int((actual[0] == 0).sum()) > 0, "something was dropped"
    for value, expected_value in zip(actual, expected, strict=True):
        torch.testing.assert_close(value, expected_value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_windows_of_a_stream_equal_the_whole_stream(cell: str) -> None:
    net = model(cell).eval()
    ids = tokens(9)
    whole = net(ids)
    state, windows = None, []
    for start, end in ((0, 4), (4, 5), (5, 9)):
        output = net(ids[:, start:end], state)
        state = detach_state(output.state)
        windows.append(output.outputs)
    torch.testing.assert_close(torch.cat(windows, 1), whole.outputs)
    for layer, expected_layer in zip(state or (), whole.state, strict=True):
        for part, expected_part in zip(layer, expected_layer, strict=True):
            torch.testing.assert_close(part, expected_part)
            assert not part.requires_grad
    assert not any("state" in name for name in net.state_dict())


def test_the_tied_weight_is_a_single_parameter() -> None:
    net = model()
    assert net.generator.weight is net.encoder.embedding.weight
    assert len({id(weight) for weight in net.parameters()}) == len(list(net.parameters()))
    assert sum(len(group) for group in net.groups()) == len(list(net.parameters()))
    copied = copy.deepcopy(net)
    assert copied.generator.weight is copied.encoder.embedding.weight
    untied = model(tie_output=False)
    assert untied.generator.weight is not untied.encoder.embedding.weight


def test_weight_drop_does_not_change_the_parameters() -> None:
    net = model()
    names, before = list(net.state_dict()), copy.deepcopy(net.state_dict())
    first, second = net(tokens()).outputs, net(tokens()).outputs
    assert not torch.equal(first, second), "each pass draws new masks"
    first.sum().backward()
    assert list(net.state_dict()) == names
    assert all(torch.equal(net.state_dict()[name], before[name]) for name in names)
    weight = net.encoder.layers[0].weight_hh_l0
    assert isinstance(weight, nn.Parameter)
    assert weight.grad is not None
    assert 0 < int((weight.grad == 0).sum()) < weight.numel()
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    buffer.seek(0)
    loaded = model()
    loaded.load_state_dict(torch.load(buffer, weights_only=True))
    torch.testing.assert_close(loaded.eval()(tokens()).outputs, net.eval()(tokens()).outputs)
    torch.testing.assert_close(copy.deepcopy(net)(tokens()).outputs, net(tokens()).outputs)


def test_all_dropouts_have_a_common_scale_and_are_off_in_evaluation() -> None:
    options = StreamDropoutOptions(words=0.1, input=0.2, hidden=0.3, output=0.4, weights=0.5, scale=0.5)
    scaled = options.scaled(True)
    assert (scaled.words, scaled.input, scaled.hidden, scaled.output, scaled.weights) == (0.05, 0.1, 0.15, 0.2, 0.25)
    net = model()
    net.options.dropout.scale = 0.0
    torch.testing.assert_close(net(tokens()).outputs, net.eval()(tokens()).outputs)


def test_all_occurrences_of_a_word_are_dropped() -> None:
    rates = StreamDropoutOptions(words=0.5, input=0, hidden=0, output=0, weights=0)
    net = model(dropout=rates, layers=1)
    torch.manual_seed(3)
    output = net(torch.full((ROWS, 1), 4).repeat(1, 2))
    assert torch.equal(output.outputs[0], output.outputs[1])
    torch.manual_seed(3)
    kept = dropout(torch.ones(VOCAB_SIZE, 1, dtype=torch.float64), 0.5)
    assert set(kept.flatten().tolist()) == {0.0, 2.0}


def test_penalties_by_hand() -> None:
    outputs = torch.tensor([[[1.0], [3.0]], [[0.0], [2.0]]])
    raw = torch.tensor([[[1.0], [4.0]], [[2.0], [1.0]]])
    output = StreamOutput(outputs, raw, ())
    # The mean of 1, 9, 0, 4 is 3.5; the mean of the squared changes 3 and -1 is 5.
    assert float(activation_penalty(output, 2.0, 0.0)) == pytest.approx(7.0)
    assert float(activation_penalty(output, 0.0, 1.0)) == pytest.approx(5.0)
    assert float(activation_penalty(output, 2.0, 3.0)) == pytest.approx(22.0)
    assert float(activation_penalty(StreamOutput(outputs[:, :1], raw[:, :1], ()), 0.0, 1.0)) == 0.0


def test_new_words_get_the_mean_of_all_words() -> None:
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    mapped = map_words(weight, torch.tensor([2, -1, 0]))
    assert mapped.tolist() == [[5.0, 9.0], [3.0, 5.0], [1.0, 2.0]]
    assert map_words(torch.tensor([1.0, 3.0]), torch.tensor([-1, 1])).tolist() == [2.0, 3.0]


def test_groups_are_unfrozen_from_the_last() -> None:
    net = model(unfreeze=[0, 2], group_rates=[0.1, 0.2, 0.3, 1.0])
    trained = []
    for epoch in range(3):
        net.unfreeze(epoch)
        trained.append([all(weight.requires_grad for weight in group) for group in net.groups()])
    assert trained == [[False, False, False, True]] * 2 + [[True] * 4]
    assert [rate for _, rate in net.rate_groups()] == [0.1, 0.2, 0.3, 1.0]
    assert net.rate_groups()[3][0][0] is net.encoder.embedding.weight


def test_a_model_memorises_a_stream() -> None:
    torch.manual_seed(0)
    ids = torch.tensor([[1, 2, 3, 1, 4, 5, 2, 6, 7, 3, 8, 1, 9]])
    options = LanguageModelOptions(embedding=16, hidden=24, layers=2, dropout=StreamDropoutOptions(scale=0))
    net = AwdLstm(options, VOCAB_SIZE)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-2)
    for _ in range(120):
        optimizer.zero_grad()
        loss = F.cross_entropy(net.generator(net(ids[:, :-1]).outputs)[0], ids[0, 1:])
        loss.backward()
        optimizer.step()
    assert float(loss) < 0.2


def test_invalid_options_are_reported() -> None:
    messages = list(
        option_errors(LanguageModelOptions(cell="qrnn", layers=0, temporal=-1, unfreeze=[1], group_rates=[1]), "m")
    )
    assert [message.split(" ")[0] for message in messages] == ["m.cell", "m.layers", "m.temporal", "m.unfreeze"]
    assert list(option_errors(LanguageModelOptions(unfreeze=[0, 1, 1], group_rates=[0.1, 0.1, 0.5, 1]), "m")) == []
    (rates,) = option_errors(ClassifierOptions(group_rates=[1, 1, 1, 1]), "m")
    assert "must be 5 factors" in rates
    (dropped,) = option_errors(LanguageModelOptions(dropout=StreamDropoutOptions(weights=0.6, scale=2)), "m")
    assert dropped.startswith("m.dropout.weights times m.dropout.scale is 1.2")


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("dropped", [0.0, 0.5])
def test_autocast_trains_on_every_cpu(cell: str, dropped: float) -> None:
    """oneDNN has no LSTM in bfloat16 for CPUs without bfloat16 instructions."""
    torch.manual_seed(0)
    rates = StreamDropoutOptions(scale=1.0, input=0, hidden=0, output=0, words=0, weights=dropped)
    model = AwdLstm(LanguageModelOptions(embedding=6, hidden=8, layers=2, cell=cell, dropout=rates), VOCAB_SIZE)
    tokens = torch.randint(0, VOCAB_SIZE, (3, 5))
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        first = model(tokens)
        second = model(tokens, first.state)
    second.outputs.float().sum().backward()
    gradients = [weight.grad for layer in model.encoder.layers for weight in layer.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    torch.manual_seed(1)
    exact = model(tokens, model(tokens).state)
    torch.testing.assert_close(second.outputs.float(), exact.outputs, rtol=0.05, atol=0.02)


def test_an_lstm_without_a_kernel_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    can_autocast_lstm.cache_clear()
    before = torch.random.get_rng_state()
    supported = [can_autocast_lstm("cpu", torch.bfloat16) for _ in range(2)]
    assert supported[0] == supported[1]
    assert len(caplog.records) == (0 if supported[0] else 1)
    assert torch.equal(before, torch.random.get_rng_state())
