"""The whole transformer: batches against steps, padding, teacher forcing, weight tying, and training on a task."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqvise.decoding.greedy import greedy
from seqvise.models.interface import BOS, EOS, PAD, PairBatch, SourceBatch
from seqvise.models.softmax.chunked import linear_cross_entropy
from seqvise.models.transformer.model import Transformer
from seqvise.models.transformer.options import TransformerDropoutOptions, TransformerOptions

SOURCE, TARGET = 15, 13
SMALL = TransformerOptions(embedding=8, heads=2, encoder_layers=2, decoder_layers=2, feed_forward=12)
CHOICES = list(itertools.product(["sinusoidal", "rotary"], ["layer", "rms"], ["relu", "gelu"]))


def build(positions: str = "sinusoidal", norm: str = "layer", activation: str = "relu") -> Transformer:
    torch.manual_seed(0)
    dropout = TransformerDropoutOptions(embedding=0.2, attention=0.2, residual=0.2, activation=0.2)
    options = replace(SMALL, positions=positions, norm=norm, activation=activation, dropout=dropout)
    return Transformer(options, SOURCE, TARGET).eval()


def batch() -> PairBatch:
    source = torch.tensor([[5, 6, 7, EOS], [8, EOS, PAD, PAD], [9, 10, EOS, PAD]])
    target = torch.tensor([[4, 5, 9, EOS], [6, EOS, PAD, PAD], [7, 8, EOS, PAD]])
    return PairBatch(SourceBatch(source, torch.tensor([4, 2, 3])), target, torch.arange(3))


def gradients(model: Transformer, outputs: Tensor) -> list[Tensor]:
    grad_outputs = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))
    return list(
        torch.autograd.grad((outputs * grad_outputs).sum(), [*model.encoder.parameters(), *model.decoder.parameters()])
    )


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_batches_and_steps_agree(choice: tuple[str, str, str]) -> None:
    model, pairs = build(*choice), batch()
    batch_logits = model.generator(model(pairs))
    memory = model.encode(pairs.source)
    state, tokens = model.init(memory), torch.full((3,), BOS)
    for t in range(4):
        result = model.step(tokens, state, memory)
        torch.testing.assert_close(result.logits, batch_logits[:, t], rtol=1e-5, atol=1e-5)
        assert result.attention is not None
        torch.testing.assert_close(result.attention.sum(1), torch.ones(3))
        assert not result.attention[~pairs.source.mask()].any()
        state, tokens = result.state, pairs.target[:, t]
        assert state.position == t + 1


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_a_state_can_be_continued_twice(positions: str) -> None:
    model, pairs = build(positions), batch()
    memory = model.encode(pairs.source)
    state = model.step(torch.full((3,), BOS), model.init(memory), memory).state
    first = model.step(torch.tensor([4, 5, 6]), state, memory)
    kept = first.state.layers[0].keys.clone()
    model.step(torch.tensor([7, 8, 9]), state, memory)
    assert torch.equal(first.state.layers[0].keys, kept)
    assert torch.equal(model.step(torch.tensor([4, 5, 6]), state, memory).logits, first.logits)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_reordered_rows_continue_unchanged(positions: str) -> None:
    model, pairs = build(positions), batch()
    memory = model.encode(pairs.source)
    tokens = torch.tensor([4, 5, 6])
    state = model.step(torch.full((3,), BOS), model.init(memory), memory).state
    rows = torch.tensor([2, 0, 2])
    expected = model.step(tokens, state, memory).logits[rows]
    logits = model.step(tokens[rows], model.reorder(state, rows), model.select(memory, rows)).logits
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("started", [False, True])
def test_rows_of_a_sentence_share_its_memory(started: bool) -> None:
    model, pairs = build(), batch()
    memory = model.encode(pairs.source)
    state = model.init(memory)
    if started:
        state = model.step(torch.full((3,), BOS), state, memory).state
    pairwise, tokens = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([4, 5, 6, 7, 8, 9])
    result = model.step(tokens, model.reorder(state, pairwise), memory)
    expected = model.step(tokens, model.reorder(state, pairwise), model.select(memory, pairwise))
    torch.testing.assert_close(result.logits, expected.logits, rtol=1e-5, atol=1e-5)
    assert result.attention is not None
    torch.testing.assert_close(result.attention, expected.attention, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_padding_changes_nothing(positions: str) -> None:
    model, pairs = build(positions), batch()
    wider = F.pad(pairs.source.ids, (0, 5), value=PAD)
    padded = PairBatch(SourceBatch(wider, pairs.source.lengths), pairs.target, pairs.rows)
    torch.testing.assert_close(model(padded), model(pairs), rtol=1e-5, atol=1e-5)
    later = PairBatch(pairs.source, F.pad(pairs.target, (0, 3), value=PAD), pairs.rows)
    torch.testing.assert_close(model(later)[:, :4], model(pairs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_a_padded_batch_equals_one_sentence_at_a_time(positions: str) -> None:
    model, pairs = build(positions), batch()
    outputs, real = model(pairs), pairs.target != PAD
    for row, length in enumerate(pairs.source.lengths.tolist()):
        ids, target = pairs.source.ids[row : row + 1, :length], pairs.target[row : row + 1, real[row]]
        alone = model(PairBatch(SourceBatch(ids, torch.tensor([length])), target, torch.tensor([row])))
        torch.testing.assert_close(outputs[row, real[row]], alone[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_predictions_that_equal_the_references_train_like_teacher_forcing(positions: str) -> None:
    model, pairs = build(positions), batch()
    expected = model(pairs)
    predictions = iter(pairs.target.unbind(1))
    outputs = model(pairs, torch.zeros(pairs.target.shape, dtype=torch.bool), lambda _: next(predictions))
    torch.testing.assert_close(outputs, expected, rtol=1e-5, atol=1e-5)
    for gradient, expected_gradient in zip(gradients(model, outputs), gradients(model, expected), strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_mixed_teacher_forcing_equals_a_plain_loop(positions: str) -> None:
    model, pairs = build(positions), batch()
    forced = torch.tensor([[False, True, False, True], [True, False, False, False], [True, True, True, False]])
    mixed_logits = model.generator(model(pairs, forced))
    inputs = torch.full((3, 1), BOS)
    for t in range(4):
        # A batched pass over all inputs so far: it is causal, so the last output is that of this step.
        logits = model.generator(model(PairBatch(pairs.source, F.pad(inputs[:, 1:], (0, 1)), pairs.rows)))[:, -1]
        torch.testing.assert_close(mixed_logits[:, t], logits, rtol=1e-5, atol=1e-5)
        if t < 3:
            next_inputs = torch.where(forced[:, t + 1], pairs.target[:, t], logits.argmax(1))
            inputs = torch.cat([inputs, next_inputs.unsqueeze(1)], 1)
    assert not torch.equal(inputs[:, 1:], pairs.target[:, :3])


def test_free_running_predicts_like_greedy_decoding() -> None:
    model, pairs = build(), batch()

    def pick(outputs: Tensor) -> Tensor:
        logits: Tensor = model.generator(outputs)
        return logits[..., EOS:].argmax(-1) + EOS

    free = pick(model(pairs, torch.zeros(3, 4, dtype=torch.bool), pick))
    tokens = greedy(model, pairs.source).tokens
    for row in range(3):
        steps = min(4, int((tokens[row] != PAD).sum()))
        assert torch.equal(free[row, :steps], tokens[row, :steps])


@pytest.mark.parametrize("forced", [None, torch.zeros(3, 4, dtype=torch.bool)], ids=["forced", "free"])
@pytest.mark.parametrize("kind", ["embedding", "attention", "residual", "activation"])
def test_each_dropout_is_active_only_in_training(kind: str, forced: Tensor | None) -> None:
    model, pairs = build(), batch()
    for name in ("embedding", "attention", "residual", "activation"):
        setattr(model.options.dropout, name, 0.3 if name == kind else 0.0)
    exact = model(pairs, forced)
    assert torch.equal(model(pairs, forced), exact)
    model.train()
    assert not torch.equal(model(pairs, forced), model(pairs, forced))
    model.options.dropout.scale = 0.0
    torch.testing.assert_close(model(pairs, forced), exact)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_half_precision_autocast_trains_and_decodes(positions: str) -> None:
    model, pairs = build(positions), batch()
    expected = gradients(model, model(pairs))
    weights = (model.generator.weight, model.generator.bias)
    for forced in (None, torch.ones(3, 4, dtype=torch.bool).triu()):
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(pairs, forced)
            linear_cross_entropy(outputs.flatten(0, 1), *weights, pairs.target.flatten()).backward(retain_graph=True)
            assert greedy(model, pairs.source).tokens.shape[0] == 3
        assert all(weight.grad is not None for weight in model.parameters())
        if forced is None:
            half_gradients, exact_gradients = (
                torch.cat([part.flatten() for part in parts]) for parts in (gradients(model, outputs), expected)
            )
            assert F.cosine_similarity(half_gradients, exact_gradients, dim=0) > 0.99


def test_tied_weights_are_a_single_parameter() -> None:
    options = replace(SMALL, share_embeddings=True)
    model = Transformer(options, TARGET, TARGET)
    assert model.generator.weight is model.decoder.embedding.weight is model.encoder.embedding.weight
    assert sum(weight.shape == (TARGET, 8) for weight in model.parameters()) == 1
    untied = Transformer(replace(SMALL, tie_output=False), SOURCE, TARGET)
    assert untied.generator.weight is not untied.decoder.embedding.weight
    assert untied.encoder.embedding.weight.shape == (SOURCE, 8)
    with pytest.raises(ValueError, match="15 and 13 words"):
        Transformer(options, SOURCE, TARGET)


def test_a_new_model_predicts_almost_uniformly() -> None:
    torch.manual_seed(0)
    model = Transformer(replace(SMALL, embedding=256, heads=4, feed_forward=512), 1000, 1000).eval()
    ids = torch.randint(4, 1000, (2, 8, 12))
    pairs = PairBatch(SourceBatch(ids[0], torch.full((8,), 12)), ids[1], torch.arange(8))
    with torch.no_grad():
        loss = F.cross_entropy(model.generator(model(pairs)).flatten(0, 1), pairs.target.flatten())
    assert math.log(1000) < float(loss) < math.log(1000) + 3


def test_word_vectors_reach_the_first_layer_unchanged() -> None:
    model, pairs = build("rotary"), batch()
    source, target = torch.randn(SOURCE, 8), torch.randn(TARGET, 8)
    model.load_word_vectors(source, None)
    model.load_word_vectors(None, target)
    encoder, decoder = model.encoder, model.decoder
    torch.testing.assert_close(encoder.input(encoder.embedding(pairs.source.ids)), source[pairs.source.ids])
    torch.testing.assert_close(decoder.input(decoder.embedding(pairs.target)), target[pairs.target])
    assert [id(weight) for weight in model.word_embeddings()] == [
        id(encoder.embedding.weight),
        id(decoder.embedding.weight),
    ]


def reversals(rows: int, vocab_size: int) -> PairBatch:
    """Sentences of 2 to 5 words, and the same words in reverse order."""
    lengths = torch.randint(2, 6, (rows,))
    steps = torch.arange(6)
    ids = torch.randint(4, vocab_size, (rows, 6)).where(steps < lengths[:, None], torch.tensor(PAD))
    back = ids.gather(1, (lengths[:, None] - 1 - steps).clamp(min=0)).where(steps < lengths[:, None], torch.tensor(PAD))
    for side in (ids, back):
        side[torch.arange(rows), lengths] = EOS
    return PairBatch(SourceBatch(ids, lengths + 1), back, torch.arange(rows))


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_a_model_learns_to_reverse_sentences(positions: str) -> None:
    torch.manual_seed(0)
    sizes = TransformerOptions(embedding=32, heads=4, encoder_layers=1, decoder_layers=1, feed_forward=64)
    options = replace(sizes, positions=positions, dropout=TransformerDropoutOptions(scale=0.0))
    model = Transformer(options, 10, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=200)
    for _ in range(200):
        pairs = reversals(64, 10)
        real = pairs.target != PAD
        loss = F.cross_entropy(model.generator(model(pairs)[real]), pairs.target[real])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    unseen = reversals(100, 10)
    tokens = greedy(model.eval(), unseen.source).tokens[:, :6]
    correct = (tokens == unseen.target[:, : tokens.shape[1]]).all(1)
    assert int(correct.sum()) >= 90
