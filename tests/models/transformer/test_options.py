"""Error messages for invalid options of a transformer."""

from __future__ import annotations

import pytest

from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.config.validate import validate
from seqvise.models.transformer.options import TransformerOptions


def test_the_yaml_file_has_the_defaults_of_the_dataclass() -> None:
    assert typed(compose(["model=transformer"])).model == TransformerOptions()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.heads=3", "model.embedding is 256, but must be a multiple of model.heads, which is 3."),
        ("model.heads=0", "model.heads is 0, but must be at least 1."),
        ("model.positions=learned", "model.positions is 'learned', but must be one of sinusoidal, rotary."),
        ("model.activation=tanh", "model.activation is 'tanh', but must be one of relu, gelu."),
        ("model.norm=batch", "model.norm is 'batch', but must be one of layer, rms."),
        ("model.dropout.attention=1", "model.dropout.attention times model.dropout.scale is 1"),
        ("model.teacher_forcing.start=2", "model.teacher_forcing.start is 2"),
        ("model.share_embeddings=true", "set tokenizer.shared=true, or model.share_embeddings=false."),
    ],
)
def test_one_error_is_one_message(override: str, expected: str) -> None:
    (message,) = validate(compose(["model=transformer", override]))
    assert expected in message


def test_widths_must_match_the_position_encoding() -> None:
    rotary = ["model=transformer", "model.embedding=12", "model.positions=rotary"]
    (message,) = validate(compose([*rotary, "model.heads=4"]))
    assert message.startswith("model.embedding / model.heads is 3")
    assert validate(compose([*rotary, "model.heads=3"])) == []
    (message,) = validate(compose(["model=transformer", "model.embedding=15", "model.heads=3"]))
    assert message == "model.embedding is 15, but must be even with model.positions=sinusoidal."


def test_shared_embeddings_are_allowed_with_a_shared_vocabulary() -> None:
    assert validate(compose(["model=transformer", "model.share_embeddings=true", "tokenizer.shared=true"])) == []


def test_word_vectors_must_have_its_width() -> None:
    words = ["model=transformer", "vectors=fasttext", "vectors.source=a.vec"]
    (message,) = [problem for problem in validate(compose(words)) if "vectors.dim" in problem]
    assert "model.embedding is 256" in message
