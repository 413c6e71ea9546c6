"""Language models as the start of a translation model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch

from seqvise.config.compose import compose
from seqvise.config.validate import validate
from seqvise.errors import UserError
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.recurrent.layers import LstmLayer
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import PretrainedOptions, RecurrentOptions
from seqvise.training.pretrained_encoder import VocabularyCoverage
from seqvise.training.pretrained_seq2seq import LoadedWeights, load_language_models
from tests.runs.made import make_language_run, plain_codec

FRENCH, ENGLISH = plain_codec(("qui", "est", "la"), "fr"), plain_codec(("who", "is", "there", "?"))
SIZES: dict[str, Any] = {
    "embedding": 6,
    "encoder_hidden": 6,
    "decoder_hidden": 6,
    "cell": "lstm",
    "attention": "additive",
}
Made = dict[str, tuple[Path, AwdLstm]]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Language models of both languages and both ways, with words in another order, some of them unknown here."""
    sizes = ["model.embedding=6", "model.hidden=6", "model.layers=2"]
    french, english = ("la", "maison", "qui"), ("there", "who", "house")
    return {
        "source": make_language_run(tmp_path / "fr", plain_codec(french, "fr"), *sizes),
        "source_backwards": make_language_run(
            tmp_path / "rf", plain_codec(french, "fr", backwards=True), *sizes, "data.backwards=true"
        ),
        "target": make_language_run(tmp_path / "en", plain_codec(english), *sizes),
    }


def load(runs: dict[str, Path], **choices: Any) -> tuple[Recurrent, list[LoadedWeights]]:
    pretrained = PretrainedOptions(**{name: str(path) for name, path in runs.items()})
    options = RecurrentOptions(**{**SIZES, **choices}, pretrained=pretrained)
    torch.manual_seed(1)
    model = Recurrent(options, len(FRENCH.vocabulary), len(ENGLISH.vocabulary))
    return model, load_language_models(model, options, FRENCH, ENGLISH)


def test_each_side_starts_as_its_language_model(made: Made) -> None:
    model, starts = load({name: path for name, (path, _) in made.items()}, bidirectional="first")
    assert [(start.key, start.layers, start.of) for start in starts] == [
        ("model.pretrained.source", 1, 2),  # the second layer reads both directions of the first
        ("model.pretrained.source_backwards", 1, 1),
        ("model.pretrained.target", 2, 2),
    ]
    assert [start.words for start in starts] == [VocabularyCoverage(2, 3), None, VocabularyCoverage(2, 4)]
    french, backwards, english = (made[name][1] for name in ("source", "source_backwards", "target"))
    pairs = [
        (model.encoder.forwards[0], french.encoder.layers[0]),
        (model.encoder.backwards[0], backwards.encoder.layers[0]),
        (model.decoder.layers[0], english.encoder.layers[0]),
        (model.decoder.layers[1], english.encoder.layers[1]),
    ]
    for ours, theirs in pairs:
        for name, weight in theirs.named_parameters():
            assert torch.equal(ours.get_parameter(name), weight)
    words = french.encoder.embedding.weight
    expected = torch.stack([words[2], torch.zeros(6), words[2], words[3], words[6], words.mean(0), words[4]])
    torch.testing.assert_close(model.encoder.embedding.weight, expected)
    bias = english.generator.bias
    torch.testing.assert_close(model.generator.bias[4:], torch.stack([bias[5], bias.mean(), bias[4], bias.mean()]))
    assert model.generator.weight is model.decoder.embedding.weight


def test_an_encoder_that_reads_ahead_only_reads_as_the_language_model_does(made: Made) -> None:
    path, there = made["source"]
    model, (start,) = load({"source": path})
    assert (start.layers, start.summary()) == (
        2,
        "model.pretrained.source: 2 of 2 layers; 2 of 3 words, the others get the mean",
    )
    there.eval(), model.eval()
    read = there(torch.tensor([[4, 6]])).raw[:, -1]
    ahead = model.encoder.embedding(torch.tensor([[6, 4]]))
    for layer in cast("list[LstmLayer]", list(model.encoder.forwards)):
        ahead = layer.run(ahead, layer.start(ahead.new_zeros(1, 6)))
    torch.testing.assert_close(ahead[:, -1], read)


def test_layers_that_do_not_fit_stay_as_they_were(made: Made) -> None:
    path, _ = made["target"]
    fresh, _ = load({}, bidirectional=True)
    model, (start,) = load({"target": path}, decoder_layers=3)
    assert (start.layers, start.of) == (2, 3)
    model, (start,) = load({"source_backwards": made["source_backwards"][0]}, bidirectional=True)
    assert (start.layers, start.of) == (1, 2)
    assert start.words == VocabularyCoverage(2, 3)
    assert torch.equal(model.decoder.embedding.weight, fresh.decoder.embedding.weight)


def refused(runs: dict[str, Path], **choices: Any) -> str:
    with pytest.raises(UserError) as caught:
        load(runs, **choices)
    return str(caught.value)


def test_a_mismatch_is_named(made: Made, tmp_path: Path) -> None:
    source, target = made["source"][0], made["target"][0]
    message = refused({"source": source}, cell="gru", embedding=8, decoder_hidden=8)
    assert "model.cell is gru here and lstm there, model.embedding is 8 here and 6 there" in message
    assert "no layer of" in (message := refused({"source": source}, encoder_hidden=5))
    assert "its first layer has 6, 6, this model's 6, 5 (input size, hidden size)" in message
    assert "needs a language model that reads each document from its beginning" in refused(
        {"source": made["source_backwards"][0]}
    )
    assert "data.backwards=true" in refused({"source_backwards": source}, bidirectional=True)
    assert "or choose another model.pretrained.source" in refused({"source": target})
    assert "is not a run directory" in refused({"target": tmp_path / "nowhere"})


def test_the_users_encoder_needs_layers_only_for_pretrained(made: Made) -> None:
    for path in (None, str(made["source"][0])):
        options = RecurrentOptions(**SIZES, pretrained=PretrainedOptions(source=path))
        model = Recurrent(options, len(FRENCH.vocabulary), len(ENGLISH.vocabulary))
        model.encoder = torch.nn.Linear(1, 1)  # type: ignore[assignment]
        if path is None:
            assert load_language_models(model, options, FRENCH, ENGLISH) == []
        else:
            with pytest.raises(UserError, match="Linear has no embedding and forwards to load from"):
                load_language_models(model, options, FRENCH, ENGLISH)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=rnn", "model.pretrained.source_backwards=x"], "no layer reads the source from its end"),
        (
            ["model.pretrained={source: x, target: y}", "model.share_embeddings=true", "tokenizer.shared=true"],
            "set one of them",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(words: list[str], sentence: str) -> None:
    messages = list(validate(compose(words)))
    assert any(sentence in message for message in messages), messages
