"""Values and gradients of each model against the equations of the fast.ai (2018) translation lesson."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.lesson import LessonModel, seq2seq_loss
from seqvise.models.interface import EOS, PAD, PairBatch, SourceBatch
from seqvise.models.recurrent.layers import GruLayer
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import DropoutOptions, RecurrentOptions
from seqvise.models.softmax.chunked import linear_cross_entropy

SOURCE, TARGET = 23, 19
VARIANTS = [(False, False), (True, False), (False, True), (True, True)]


def build(bidirectional: bool, attention: bool) -> tuple[LessonModel, Recurrent]:
    """The model of the lesson and ours with the same weights, without dropout."""
    torch.manual_seed(3)
    lesson = LessonModel(SOURCE, TARGET, 12, 8, 2, bidirectional, attention, dropout=False)
    options = RecurrentOptions(
        embedding=12,
        encoder_hidden=8,
        decoder_hidden=12,
        bidirectional=bidirectional,
        attention="additive" if attention else "none",
        dropout=DropoutOptions(scale=0.0),
    )
    ours = Recurrent(options, SOURCE, TARGET)
    ours.load_state_dict(translate_weights(lesson, ours))
    return lesson, ours


def translate_weights(lesson: LessonModel, ours: Recurrent) -> dict[str, Tensor]:
    """The weights of the lesson's model under our names."""
    state = ours.state_dict()
    state["encoder.embedding.weight"] = lesson.emb_enc.weight
    state["decoder.embedding.weight"] = state["generator.weight"] = lesson.emb_dec.weight
    state["generator.bias"], state["bridge.weight"] = lesson.out.bias, lesson.out_enc.weight
    for layer in range(2):
        for name in ("weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l"):
            state[f"encoder.forwards.{layer}.{name}0"] = getattr(lesson.gru_enc, f"{name}{layer}")
            state[f"decoder.layers.{layer}.{name}0"] = getattr(lesson.gru_dec, f"{name}{layer}")
            if lesson.bidirectional:
                state[f"encoder.backwards.{layer}.{name}0"] = getattr(lesson.gru_enc, f"{name}{layer}_reverse")
    if lesson.attention:
        state["decoder.attention.key.weight"] = lesson.W1.t()
        state["decoder.attention.query.weight"], state["decoder.attention.query.bias"] = (
            lesson.l2.weight,
            lesson.l2.bias,
        )
        state["decoder.attention.score.weight"] = lesson.V.unsqueeze(0)
        state["decoder.mix.weight"], state["decoder.mix.bias"] = lesson.l3.weight, lesson.l3.bias
    return state


def batch_of(source_lengths: list[int], target_lengths: list[int]) -> PairBatch:
    torch.manual_seed(5)
    source = torch.full((len(source_lengths), max(source_lengths)), PAD)
    target = torch.full((len(target_lengths), max(target_lengths)), PAD)
    for row, (s, t) in enumerate(zip(source_lengths, target_lengths, strict=True)):
        source[row, :s] = torch.cat([torch.randint(4, SOURCE, (s - 1,)), torch.tensor([EOS])])
        target[row, :t] = torch.cat([torch.randint(4, TARGET, (t - 1,)), torch.tensor([EOS])])
    lengths = torch.tensor(source_lengths)
    return PairBatch(SourceBatch(source, lengths), target, torch.arange(len(source_lengths)))


def forcing(kind: str, target: Tensor) -> tuple[Tensor | None, list[Tensor]]:
    """Our ``forced`` mask, and the equivalent draws of the lesson: whether reference i is the input after step i."""
    if kind == "forced":
        return None, [torch.ones(len(target), dtype=torch.bool)] * target.shape[1]
    mask = torch.zeros_like(target, dtype=torch.bool)
    if kind == "mixed":
        mask = torch.rand(target.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    return mask, [*mask.t()[1:], torch.zeros(len(target), dtype=torch.bool)]


@pytest.mark.parametrize("kind", ["forced", "free", "mixed"])
@pytest.mark.parametrize(("bidirectional", "attention"), VARIANTS)
def test_equal_lengths_have_the_lesson_logits_and_gradients(bidirectional: bool, attention: bool, kind: str) -> None:
    lesson, ours = build(bidirectional, attention)
    batch = batch_of([6] * 5, [7] * 5)
    mask, draws = forcing(kind, batch.target)
    expected = lesson(batch.source.ids.t(), batch.target.t(), draws)
    outputs = ours(batch, mask)
    torch.testing.assert_close(ours.generator(outputs).transpose(0, 1), expected, rtol=1e-5, atol=1e-5)

    seq2seq_loss(expected, batch.target.t()).backward()
    total = linear_cross_entropy(
        outputs.flatten(0, 1), ours.generator.weight, ours.generator.bias, batch.target.flatten()
    )
    (total / batch.target.numel()).backward()
    compare_gradients(lesson, ours)


def compare_gradients(lesson: LessonModel, ours: Recurrent) -> None:
    their_gradients = {name: weight.grad for name, weight in lesson.named_parameters()}
    our_gradients = {name: weight.grad for name, weight in ours.named_parameters()}
    pairs = [("emb_enc.weight", "encoder.embedding.weight"), ("emb_dec.weight", "decoder.embedding.weight")]
    pairs += [("out_enc.weight", "bridge.weight"), ("out.bias", "generator.bias")]
    pairs += [(f"gru_enc.{n}_l{i}", f"encoder.forwards.{i}.{n}_l0") for n in WEIGHTS for i in (0, 1)]
    pairs += [(f"gru_dec.{n}_l{i}", f"decoder.layers.{i}.{n}_l0") for n in WEIGHTS for i in (0, 1)]
    if lesson.bidirectional:
        pairs += [(f"gru_enc.{n}_l{i}_reverse", f"encoder.backwards.{i}.{n}_l0") for n in WEIGHTS for i in (0, 1)]
    if lesson.attention:
        pairs += [("l2.weight", "decoder.attention.query.weight"), ("l3.weight", "decoder.mix.weight")]
        their_gradients["W1"] = their_gradients["W1"].t()  # type: ignore[union-attr]
        their_gradients["V"] = their_gradients["V"].unsqueeze(0)  # type: ignore[union-attr]
        pairs += [("W1", "decoder.attention.key.weight"), ("V", "decoder.attention.score.weight")]
    for their_name, our_name in pairs:
        torch.testing.assert_close(our_gradients[our_name], their_gradients[their_name], rtol=1e-4, atol=1e-6)


WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@pytest.mark.parametrize("kind", ["forced", "free", "mixed"])
@pytest.mark.parametrize(("bidirectional", "attention"), VARIANTS)
def test_padded_batches_equal_one_sentence_at_a_time(bidirectional: bool, attention: bool, kind: str) -> None:
    lesson, ours = build(bidirectional, attention)
    source_lengths, target_lengths = [3, 7, 5, 1], [6, 2, 8, 3]
    batch = batch_of(source_lengths, target_lengths)
    mask, draws = forcing(kind, batch.target)
    logits = ours.generator(ours(batch, mask))
    for row, (s, t) in enumerate(zip(source_lengths, target_lengths, strict=True)):
        alone = lesson(batch.source.ids[row, :s, None], batch.target[row, :t, None], [d[row : row + 1] for d in draws])
        torch.testing.assert_close(logits[row, :t], alone[:, 0], rtol=1e-5, atol=1e-5)


def test_training_overfits_a_few_pairs() -> None:
    _, ours = build(True, True)
    batch = batch_of([4, 6, 5], [5, 4, 6])
    optimizer = torch.optim.Adam(ours.parameters(), lr=1e-2)
    real = batch.target != PAD
    for _ in range(150):
        outputs = ours(batch, None)[real]
        loss = (
            linear_cross_entropy(outputs, ours.generator.weight, ours.generator.bias, batch.target[real]) / real.sum()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    predictions = ours.generator(ours(batch, torch.zeros_like(real))).argmax(2)
    assert torch.equal(predictions[real], batch.target[real])


def test_the_tied_weight_is_a_single_parameter() -> None:
    _, ours = build(False, False)
    names = [name for name, _ in ours.named_parameters()]
    assert ours.generator.weight is ours.decoder.embedding.weight
    assert "generator.weight" not in names


def test_a_layer_runs_like_torch() -> None:
    layer = GruLayer(5, 4)
    inputs = torch.randn(3, 6, 5)
    torch.testing.assert_close(layer.run(inputs, layer.start(torch.zeros(3, 4))), layer(inputs)[0])
