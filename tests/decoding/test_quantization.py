"""Quantized weights: products are nearly the same, and the original model does not change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from seqvise.decoding import quantization
from seqvise.decoding.decode import decode
from seqvise.decoding.ensemble import Ensemble
from seqvise.decoding.options import DecodingOptions
from seqvise.decoding.quantization import WEIGHTS, Bf16Weight, Int8Weight, Packed, QuantizedWeight, quantized
from seqvise.decoding.shortlist import Shortlist
from seqvise.errors import UserError
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.models.transformer.model import Transformer
from seqvise.models.transformer.options import TransformerOptions
from tests.decoding import tiny

WORDS = 50
SOURCES = tiny.batch(tiny.random_sources(6, 7, seed=3))


def recurrent(**more: object) -> Recurrent:
    torch.manual_seed(0)
    sizes = {
        "embedding": 36,
        "encoder_hidden": 40,
        "decoder_hidden": 36,
        "attention": "additive",
        "bidirectional": True,
    }
    return Recurrent(RecurrentOptions(**(sizes | more)), 20, WORDS).eval()  # type: ignore[arg-type]


def transformer() -> Transformer:
    torch.manual_seed(0)
    options = TransformerOptions(embedding=32, heads=4, encoder_layers=1, decoder_layers=2, feed_forward=64)
    return Transformer(options, 20, WORDS).eval()


MODELS: dict[str, Callable[[], Recurrent | Transformer]] = {
    "attention": recurrent,
    "input feeding": lambda: recurrent(attention_place="after", input_feeding=True),
    "lstm": lambda: recurrent(cell="lstm", tie_output=False, readout=True, decoder_hidden=44),
    "transformer": transformer,
}


def reference_product(inputs: Tensor, weight: Tensor) -> Tensor:
    """The product of rounded numbers: 127 levels per sign for a row of the weight, 63 for a row of the inputs."""
    steps = weight.abs().amax(1, keepdim=True) / 127
    step = inputs.abs().amax(1, keepdim=True) / 63
    return ((inputs / step).round() * step) @ ((weight / steps).round() * steps).t()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 70), st.integers(1, 70), st.integers(0, 1000))
def test_a_product_of_8_bits_is_that_of_rounded_numbers(rows: int, inner: int, outer: int, seed: int) -> None:
    torch.manual_seed(seed)
    inputs, weight, bias = torch.randn(rows, inner), torch.randn(outer, inner), torch.randn(outer)
    product = F.linear(inputs, Int8Weight(weight), bias)
    # A number in the middle between two steps may go either way.
    step = float(inputs.abs().max() / 63)
    off = (product - reference_product(inputs, weight) - bias).abs()
    assert off.max() <= 1.01 * step * weight.abs().amax() * inner**0.5
    assert off.median() <= 1e-5 * step * inner + 1e-5


def test_a_product_of_8_bits_by_hand() -> None:
    weight = Int8Weight(torch.tensor([[127.0, 1.4, -60.6], [0.0, -2.0, 2.0]]))
    inputs = torch.tensor([[63.0, 1.4, -20.6], [0.0, 0.0, 0.0]])
    expected = [[127.0 * 63 + 1 * 1 + 61 * 21, -2.0 * 1 - 2.0 * 21], [0.0, 0.0]]
    torch.testing.assert_close(F.linear(inputs, weight), torch.tensor(expected))
    assert F.linear(torch.full((1, 3), float("nan")), weight).isnan().all()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 70), st.integers(1, 70), st.integers(0, 1000))
def test_a_row_of_8_bits_does_not_depend_on_the_other_rows(rows: int, inner: int, outer: int, seed: int) -> None:
    torch.manual_seed(seed)
    inputs, weight = torch.randn(rows, inner), Int8Weight(torch.randn(outer, inner))
    others = 100 * torch.randn(5, inner)
    together = F.linear(torch.cat([others, inputs.flip(0)]), weight)[5:].flip(0)
    alone = torch.cat([F.linear(row, weight) for row in inputs.split(1)])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("kind", ["attention", "transformer"])
def test_translations_of_8_bits_do_not_depend_on_batch_and_order(kind: str) -> None:
    model, sources = MODELS[kind](), tiny.random_sources(300, 5, seed=5)
    for weight in model.parameters():
        weight.data *= 1 + 3 * (weight.dim() == 2)  # a new model's words are nearly the same for all sources
    model = quantized(model, "int8")
    shuffled = torch.randperm(300, generator=torch.Generator().manual_seed(0)).tolist()
    orders = ((list(range(300)), 32), (list(range(300)), 300), (shuffled, 11))
    first, *others = (translations(model, sources, order, size) for order, size in orders)
    assert len(set(map(tuple, first.values()))) > 40
    assert all(other == first for other in others)


def translations(
    model: Recurrent | Transformer, sources: list[list[int]], order: list[int], size: int
) -> dict[int, list[int]]:
    """The greedy translation of each source, decoded in batches."""
    outputs, options = {}, DecodingOptions(max_ratio=1.0, max_extra=2)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        tokens = decode(model, tiny.batch([sources[row] for row in rows]), options).tokens
        for row, best in zip(rows, tokens[:, 0].tolist(), strict=True):
            outputs[row] = [token for token in best if token != 1]
    return outputs


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 70), st.integers(1, 70), st.integers(0, 1000))
def test_a_product_of_bf16_is_that_of_rounded_numbers(rows: int, inner: int, outer: int, seed: int) -> None:
    torch.manual_seed(seed)
    inputs, weight, bias = torch.randn(rows, inner), torch.randn(outer, inner), torch.randn(outer)
    product = F.linear(inputs, Bf16Weight(weight), bias)
    expected = inputs.bfloat16().float() @ weight.bfloat16().float().t()
    # The result alone is rounded once more, to 8 bits of precision.
    assert ((product - bias - expected).abs() <= 2**-8 * expected.abs() + 1e-4).all()


@pytest.mark.parametrize(("kind", "tolerance"), [(Bf16Weight, 0.004), (Int8Weight, 0.025)])
def test_its_error_is_small_and_not_nothing(kind: type[QuantizedWeight], tolerance: float) -> None:
    torch.manual_seed(0)
    inputs, weight = torch.randn(64, 300), torch.randn(200, 300)
    off = F.linear(inputs, kind(weight)) - inputs @ weight.t()
    assert 0 < float(off.square().mean().sqrt()) < tolerance * 300**0.5


@pytest.mark.parametrize("kind", WEIGHTS.values())
def test_other_functions_use_the_original_weight(kind: type[QuantizedWeight]) -> None:
    weight = torch.randn(40, 36)
    quantized_weight = kind(weight)
    assert isinstance(quantized_weight, nn.Parameter)
    assert torch.equal(quantized_weight.t(), weight.t())
    assert torch.equal(quantized_weight[torch.tensor([3, 5])], weight[[3, 5]])
    assert torch.equal(quantized_weight.detach(), weight)
    assert type(quantized_weight.detach()) is Tensor
    assert quantized_weight.data_ptr() == weight.data_ptr()
    inputs = torch.randn(2, 36, dtype=torch.bfloat16)
    assert torch.equal(F.linear(inputs, quantized_weight.bfloat16()), F.linear(inputs, weight.bfloat16()))


@pytest.mark.parametrize("kind", WEIGHTS.values())
def test_a_slice_is_quantized_once(kind: type[QuantizedWeight]) -> None:
    weight = torch.randn(40, 70)
    quantized_weight, inputs = kind(weight), torch.randn(3, 30)
    part = quantized_weight[:, :30]
    assert type(part) is kind
    assert part is quantized_weight[:, :30]
    assert part is not quantized_weight[:, 30:]
    assert torch.equal(F.linear(inputs, part), F.linear(inputs, kind(weight[:, :30].contiguous())))


@pytest.mark.parametrize("precision", WEIGHTS)
@pytest.mark.parametrize("kind", MODELS)
def test_outputs_hardly_change_and_the_model_stays_unchanged(kind: str, precision: str) -> None:
    model = MODELS[kind]()
    before = decode(model, SOURCES, DecodingOptions(beam=3))
    quantized_model = quantized(model, precision)
    after = decode(quantized_model, SOURCES, DecodingOptions(beam=3))
    assert not any(isinstance(weight, QuantizedWeight) for weight in model.parameters())
    again = decode(model, SOURCES, DecodingOptions(beam=3))
    assert torch.equal(again.tokens, before.tokens)
    assert not torch.equal(after.log_probs, before.log_probs)
    torch.testing.assert_close(after.log_probs[:, 0], before.log_probs[:, 0], atol=0.5, rtol=0.05)


@pytest.mark.parametrize("precision", WEIGHTS)
@pytest.mark.parametrize("kind", MODELS)
def test_large_weights_except_embeddings_are_quantized(kind: str, precision: str) -> None:
    named = list(quantized(MODELS[kind](), precision).named_parameters(remove_duplicate=False))
    quantized_names = {name for name, weight in named if isinstance(weight, WEIGHTS[precision])}
    large_names = {name for name, weight in named if weight.dim() == 2 and min(weight.shape) >= 32}
    assert {name for name in large_names if name.endswith("embedding.weight")} == large_names - quantized_names
    assert {name.split(".")[0] for name in quantized_names} >= {"encoder", "decoder", "generator"}


@pytest.mark.parametrize("precision", WEIGHTS)
@pytest.mark.parametrize("kind", MODELS)
def test_every_quantized_weight_is_used(kind: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quantized_model, used = quantized(MODELS[kind](), precision), set()
    product = WEIGHTS[precision].product

    def recorded_product(self: QuantizedWeight, inputs: Tensor) -> Tensor:
        used.add(self.data_ptr())
        return product(self, inputs)

    monkeypatch.setattr(WEIGHTS[precision], "product", recorded_product)
    decode(quantized_model, SOURCES, DecodingOptions(beam=2))
    # A slice has another data pointer.
    assert used >= {weight.data_ptr() for weight in quantized_model.parameters() if isinstance(weight, QuantizedWeight)}


@pytest.mark.parametrize("precision", WEIGHTS)
def test_an_ensemble_with_a_short_list(precision: str) -> None:
    models = Ensemble([recurrent(), recurrent(attention="general")], "probs").eval()
    begins = torch.arange(21).clamp(max=20) * 2
    shortlist = Shortlist(begins, torch.arange(40) % 30 + 10, torch.arange(10))
    nbest = decode(quantized(models, precision), SOURCES, DecodingOptions(beam=2), shortlist=shortlist)
    exact = decode(models, SOURCES, DecodingOptions(beam=2), shortlist=shortlist)
    torch.testing.assert_close(nbest.log_probs[:, 0], exact.log_probs[:, 0], atol=0.5, rtol=0.05)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", WEIGHTS.values())
def test_quantization_and_products_do_not_warn(kind: type[QuantizedWeight]) -> None:
    F.linear(torch.randn(2, 40), kind(torch.randn(36, 40)))


def missing(*_: object) -> Tensor:
    raise AttributeError("'_OpNamespace' 'onednn' object has no attribute 'qlinear_pointwise'")


def saturated(integers: Tensor, _: Packed) -> Tensor:
    return (integers.float() @ torch.full((64, 32), -127.0)).clamp(min=-(2.0**15))


@pytest.mark.parametrize("product", [missing, saturated])
def test_a_torch_without_exact_products_is_refused(monkeypatch: pytest.MonkeyPatch, product: object) -> None:
    monkeypatch.setattr(quantization, "multiply_int8", product)
    with pytest.raises(UserError, match="no int8 products"):
        quantized(recurrent(), "int8")
