"""Error messages for invalid options of a recurrent model."""

from __future__ import annotations

from typing import Any

import pytest

from seqvise.models.recurrent.options import DropoutOptions, RecurrentOptions
from seqvise.options import option_errors


@pytest.mark.parametrize(
    ("choices", "start"),
    [
        ({"attention": "location"}, "model.attention is 'location', but must be one of none, additive, dot, general."),
        ({"attention_place": "between"}, "model.attention_place is 'between'"),
        ({"start": "middle"}, "model.start is 'middle'"),
        ({"bidirectional": "last"}, "model.bidirectional is 'last', but must be true, false or first."),
        ({"attention": "dot"}, "model.decoder_hidden is 300 and the encoder's outputs are 256 wide"),
        ({"attention": "dot", "bidirectional": True}, "model.decoder_hidden is 300 and the encoder's outputs are 512"),
        ({"decoder_hidden": 200}, "model.decoder_hidden is 200 and model.embedding is 300"),
        ({"dropout": DropoutOptions(weights=1.0)}, "model.dropout.weights times model.dropout.scale is 1"),
        ({"dropout": DropoutOptions(words=-0.1)}, "model.dropout.words times model.dropout.scale is -0.1"),
    ],
)
def test_one_wrong_thing_is_one_sentence(choices: dict[str, Any], start: str) -> None:
    (message,) = option_errors(RecurrentOptions(**choices), "model")
    assert message.startswith(start)


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"bidirectional": "first"},
        {"attention": "dot", "encoder_hidden": 150, "bidirectional": True},
        {"attention": "dot", "encoder_hidden": 300, "bidirectional": "first"},
        {"attention": "dot", "encoder_hidden": 150, "bidirectional": "first", "encoder_layers": 1},
        {"attention": "general", "attention_place": "after", "decoder_hidden": 200},
        {"dropout": DropoutOptions(variational=True)},
    ],
)
def test_valid_options_are_accepted(choices: dict[str, Any]) -> None:
    assert list(option_errors(RecurrentOptions(**choices), "model")) == []


def test_scaled_dropouts_are_the_probabilities_in_use() -> None:
    options = DropoutOptions(source=0.2, words=0.1, output=0.5, variational=True, scale=0.5)
    scaled = options.scaled(training=True)
    assert (scaled.source, scaled.words, scaled.output, scaled.scale) == (0.1, 0.05, 0.25, 1.0)
    assert scaled.variational
    still = options.scaled(training=False)
    assert (still.source, still.words, still.output, still.weights) == (0.0, 0.0, 0.0, 0.0)
    assert options.scale == 0.5
