"""Tied weights, initial decoder states and training of the whole recurrent model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import DropoutOptions, RecurrentOptions
from tests.models.test_combinations import batch


def build(**choices: Any) -> Recurrent:
    torch.manual_seed(0)
    options = RecurrentOptions(embedding=6, encoder_hidden=5, decoder_hidden=6, **choices)
    return Recurrent(options, 15, 15)


@pytest.mark.parametrize(("output", "sides"), [(False, False), (True, False), (False, True), (True, True)])
def test_tied_weights_are_a_single_parameter(output: bool, sides: bool) -> None:
    model = build(tie_output=output, share_embeddings=sides)
    source, target, projection = model.encoder.embedding.weight, model.decoder.embedding.weight, model.generator.weight
    assert (projection is target, source is target) == (output, sides)
    assert len({id(weight) for weight in (source, target, projection)}) == 3 - output - sides
    assert len(list(model.parameters())) == len({id(weight) for weight in model.parameters()})
    model.load_word_vectors(None, torch.full((15, 6), 2.0))
    assert bool((model.encoder.embedding.weight == 2).all()) is sides


def test_tied_weights_stay_tied_after_copying_and_loading() -> None:
    model = copy.deepcopy(build(share_embeddings=True))
    model.load_state_dict(build(share_embeddings=True).state_dict())
    assert model.encoder.embedding.weight is model.decoder.embedding.weight is model.generator.weight


def test_shared_embeddings_need_one_vocabulary() -> None:
    with pytest.raises(ValueError, match="15 and 16 words"):
        Recurrent(RecurrentOptions(share_embeddings=True), 15, 16)


def test_the_pooled_start_reaches_every_decoder_layer() -> None:
    model = build(start="concat_pool", bidirectional="first", encoder_layers=2, decoder_layers=3).eval()
    encoded, memory = model.encoder(batch().source), model.encode(batch().source)
    expected = [model.first_bridge(encoded.finals[0]), *[model.bridge(encoded.finals[1])] * 2]  # type: ignore[misc]
    torch.testing.assert_close(list(memory.start), expected)


CHOICES = [
    {"attention": "general", "attention_place": "after"},
    {"attention": "general", "attention_place": "after", "input_feeding": True, "cell": "lstm", "residual": True},
    {"attention": "additive", "input_feeding": True, "layer_norm": True, "readout": True, "start": "concat_pool"},
    {"attention": "dot", "bidirectional": "first", "encoder_hidden": 32, "residual": True},
]


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_training_with_every_dropout_overfits_a_few_pairs(choices: dict[str, Any]) -> None:
    torch.manual_seed(0)
    rates = DropoutOptions(source=0.1, target=0.1, state=0.1, output=0.1, words=0.05, weights=0.1, variational=True)
    sizes = {"embedding": 32, "encoder_hidden": 24, "decoder_hidden": 32, "decoder_layers": 2, "encoder_layers": 2}
    model, pairs = Recurrent(RecurrentOptions(dropout=rates, **{**sizes, **choices}), 15, 15), batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        logits = model.generator(model(pairs, torch.rand(pairs.target.shape) < 0.7))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), pairs.target.flatten()).backward()
        optimizer.step()
    predictions = model.eval().generator(model(pairs, torch.zeros_like(pairs.target, dtype=torch.bool))).argmax(2)
    assert torch.equal(predictions, pairs.target)
