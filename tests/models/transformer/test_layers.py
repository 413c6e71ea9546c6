"""Encoder and decoder layers against loops over rows, heads and steps, and against torch's layer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.models.transformer import attention
from seqvise.models.transformer.attention import CrossAttention, KeyValue, SelfAttention, packed_linear
from seqvise.models.transformer.layers import DecoderLayer, EncoderLayer, FeedForward
from seqvise.models.transformer.options import TransformerOptions

WIDTH, HEADS = 8, 2


def options(activation: str = "gelu", norm: str = "layer") -> TransformerOptions:
    return TransformerOptions(embedding=WIDTH, heads=HEADS, feed_forward=12, activation=activation, norm=norm)


def perturbed(layer: nn.Module) -> nn.Module:
    """The layer with noise added to every parameter, including biases and norms."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.3)
    return layer.eval()


def attend(queries: Tensor, keys: Tensor, values: Tensor, visible: list[list[int]]) -> Tensor:
    """Attention of one sentence in loops. queries: (T, D); visible: the steps that each step attends to."""
    size = WIDTH // HEADS
    rows = []
    for t, steps in enumerate(visible):
        heads = []
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            scores = [math.exp(float(queries[t, part] @ keys[s, part]) / math.sqrt(size)) for s in steps]
            heads.append(sum(score / sum(scores) * values[s, part] for score, s in zip(scores, steps, strict=True)))
        rows.append(torch.cat(heads))  # type: ignore[arg-type]
    return torch.stack(rows)


def plain_norm(norm: nn.Module, inputs: Tensor) -> Tensor:
    if isinstance(norm, nn.RMSNorm):
        return inputs / (inputs.square().mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight
    assert isinstance(norm, nn.LayerNorm)
    centred = inputs - inputs.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias


def plain_self(layer: SelfAttention, inputs: Tensor, visible: list[list[int]]) -> Tensor:
    parts = zip(layer.project.weight.chunk(3), layer.project.bias.chunk(3), strict=True)
    queries, keys, values = (inputs @ weight.t() + bias for weight, bias in parts)
    return attend(queries, keys, values, visible) @ layer.output.weight.t() + layer.output.bias


def plain_cross(layer: CrossAttention, inputs: Tensor, memory: Tensor, visible: list[list[int]]) -> Tensor:
    queries = inputs @ layer.query.weight.t() + layer.query.bias
    parts = zip(layer.project.weight.chunk(2), layer.project.bias.chunk(2), strict=True)
    keys, values = (memory @ weight.t() + bias for weight, bias in parts)
    return attend(queries, keys, values, visible) @ layer.output.weight.t() + layer.output.bias


def plain_feed_forward(layer: FeedForward, inputs: Tensor) -> Tensor:
    inner = inputs @ layer.inner.weight.t() + layer.inner.bias
    if layer.activation is nn.functional.gelu:
        inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
    else:
        inner = inner.clamp(min=0)
    return inner @ layer.outer.weight.t() + layer.outer.bias


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["layer", "rms"])
@torch.no_grad()
def test_an_encoder_layer_equals_its_equations(activation: str, norm: str) -> None:
    layer = perturbed(EncoderLayer(options(activation, norm)))
    assert isinstance(layer, EncoderLayer)
    inputs, lengths = torch.randn(2, 5, WIDTH), [5, 3]
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    outputs = layer(inputs, None, mask[:, None, None])
    for row, length in enumerate(lengths):
        expected = inputs[row, :length]
        expected = expected + plain_self(
            layer.attention, plain_norm(layer.attention_norm, expected), [[*range(length)]] * length
        )
        expected = expected + plain_feed_forward(layer.feed_forward, plain_norm(layer.feed_forward_norm, expected))
        torch.testing.assert_close(outputs[row, :length], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", ["layer", "rms"])
@torch.no_grad()
def test_a_decoder_layer_equals_its_equations(norm: str) -> None:
    layer = perturbed(DecoderLayer(options(norm=norm)))
    assert isinstance(layer, DecoderLayer)
    inputs, memory, lengths = torch.randn(2, 4, WIDTH), torch.randn(2, 5, WIDTH), [5, 3]
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    outputs = layer(inputs, None, layer.cross.keys_values(memory), mask[:, None, None])
    for row, length in enumerate(lengths):
        causal, expected = [[*range(t + 1)] for t in range(4)], inputs[row]
        expected = expected + plain_self(layer.attention, plain_norm(layer.attention_norm, expected), causal)
        cross_inputs = plain_norm(layer.cross_norm, expected)
        expected = expected + plain_cross(layer.cross, cross_inputs, memory[row], [[*range(length)]] * 4)
        expected = expected + plain_feed_forward(layer.feed_forward, plain_norm(layer.feed_forward_norm, expected))
        torch.testing.assert_close(outputs[row], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@torch.no_grad()
def test_an_encoder_layer_equals_torch(activation: str) -> None:
    ours = perturbed(EncoderLayer(options(activation)))
    theirs = nn.TransformerEncoderLayer(WIDTH, HEADS, 12, 0.0, activation, batch_first=True, norm_first=True)
    names = {
        "attention.project.weight": "self_attn.in_proj_weight",
        "attention.project.bias": "self_attn.in_proj_bias",
        "attention.output": "self_attn.out_proj",
        "feed_forward.inner": "linear1",
        "feed_forward.outer": "linear2",
        "attention_norm": "norm1",
        "feed_forward_norm": "norm2",
    }
    weights = {}
    for name, weight in ours.state_dict().items():
        (prefix,) = [prefix for prefix in names if name.startswith(prefix)]
        weights[name.replace(prefix, names[prefix])] = weight
    theirs.load_state_dict(weights)
    inputs, mask = torch.randn(2, 5, WIDTH), torch.arange(5) < torch.tensor([[5], [3]])
    expected = theirs.train()(inputs, src_key_padding_mask=~mask)  # evaluation mode would use another kernel
    torch.testing.assert_close(ours(inputs, None, mask[:, None, None])[mask], expected[mask], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_weights_of_a_step_are_the_mean_over_heads() -> None:
    layer = perturbed(CrossAttention(WIDTH, HEADS, options().dropout))
    assert isinstance(layer, CrossAttention)
    inputs, memory = torch.randn(1, 1, WIDTH), torch.randn(1, 3, WIDTH)
    _, weights = layer.step(inputs, layer.keys_values(memory), torch.tensor([[[[True, True, False]]]]))
    queries = inputs[0, 0] @ layer.query.weight.t() + layer.query.bias
    keys = memory[0] @ layer.project.weight[:WIDTH].t() + layer.project.bias[:WIDTH]
    head_weights = [torch.softmax(keys[:2, part] @ queries[part] / 2, 0) for part in (slice(0, 4), slice(4, 8))]
    torch.testing.assert_close(weights[0, :2], (head_weights[0] + head_weights[1]) / 2)
    assert weights[0, 2] == 0


def test_each_part_of_a_packed_projection_is_initialised_separately() -> None:
    torch.manual_seed(0)
    bound = math.sqrt(6 / (64 + 64)) / math.sqrt(2)
    for part in packed_linear(64, 3).weight.chunk(3):
        assert 0.98 * bound < float(part.abs().max()) <= bound


@pytest.mark.parametrize("autocast", [False, True])
def test_on_a_cpu_attention_in_bfloat16_is_computed_in_float32(autocast: bool) -> None:
    torch.manual_seed(0)
    queries, keys, values = torch.randn(3, 5, HEADS, 6, 4).bfloat16()
    mask = torch.rand(5, 1, 1, 6) < 0.7
    mask[..., 0] = True
    exact = [part.float().requires_grad_() for part in (queries, keys, values)]
    expected = F.scaled_dot_product_attention(exact[0], exact[1], exact[2], attn_mask=mask).bfloat16()
    parts = [part.requires_grad_() for part in (queries, keys, values)]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        context = attention.attend(parts[0], KeyValue(parts[1], parts[2]), mask)
    assert context.dtype == torch.bfloat16
    assert torch.equal(context, expected)
    for gradient, exact_gradient in zip(
        torch.autograd.grad(context.sum(), parts), torch.autograd.grad(expected.sum(), exact), strict=True
    ):
        assert torch.equal(gradient, exact_gradient.bfloat16())
