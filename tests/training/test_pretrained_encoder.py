"""The encoder of one run in another, word by word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seqvise.cli.encoder import main
from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.errors import UserError
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.awd_lstm.options import LanguageModelOptions
from seqvise.runs.directory import RunDirectory
from seqvise.training.pretrained_encoder import VocabularyCoverage, load_encoder
from tests.runs.made import make_language_run
from tests.runs.made import plain_codec as codec

THERE, HERE = ("a", "b", "c"), ("c", "new", "a", "newer")


def options(**choices: Any) -> LanguageModelOptions:
    return LanguageModelOptions(**{"embedding": 4, "hidden": 6, "layers": 2, **choices})


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, AwdLstm]:
    """A run of a language model of three words."""
    sizes = ["model.embedding=4", "model.hidden=6", "model.layers=2"]
    return make_language_run(tmp_path / "there", codec(THERE), *sizes)


def test_words_keep_their_vectors_and_new_ones_get_the_mean(run: tuple[Path, AwdLstm]) -> None:
    path, there = run
    here = AwdLstm(options(encoder=str(path)), 4 + len(HERE))
    assert load_encoder(here, here.options, codec(HERE)) == VocabularyCoverage(known=2, vocab_size=4)
    old, new = there.encoder.embedding.weight, here.encoder.embedding.weight
    mean = old.mean(0)
    expected = [*old[:4], old[6], mean, old[4], mean]
    torch.testing.assert_close(new, torch.stack(expected))
    bias = there.generator.bias
    torch.testing.assert_close(
        here.generator.bias, torch.stack([*bias[:4], bias[6], bias.mean(), bias[4], bias.mean()])
    )
    assert here.generator.weight is new
    for mine, theirs in zip(here.encoder.layers.parameters(), there.encoder.layers.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    read = [model.eval()(torch.tensor([ids])).outputs for model, ids in ((here, [4, 6]), (there, [6, 4]))]
    torch.testing.assert_close(*read)


def test_a_saved_encoder_initializes_like_the_run(run: tuple[Path, AwdLstm], tmp_path: Path) -> None:
    path, there = run
    assert main([f"run={path}", f"output={tmp_path / 'kept'}"]) == 0
    saved = torch.load(tmp_path / "kept" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(name.startswith("model.encoder.") for name in saved)
    here = AwdLstm(options(encoder=str(tmp_path / "kept")), 4 + len(HERE))
    load_encoder(here, here.options, codec(HERE))
    assert torch.equal(here.encoder.embedding.weight[4], there.encoder.embedding.weight[6])
    assert main([f"run={path}", f"output={tmp_path / 'kept'}"]) == 2


def refused(path: Path, there: TextCodec, **choices: Any) -> str:
    chosen = options(encoder=str(path), **choices)
    with pytest.raises(UserError) as caught:
        load_encoder(AwdLstm(chosen, len(there.vocabulary)), chosen, there)
    return str(caught.value)


def test_a_mismatch_is_named(run: tuple[Path, AwdLstm], tmp_path: Path) -> None:
    path, _ = run
    message = refused(path, codec(HERE), hidden=8, cell="gru")
    assert "model.cell is gru here and lstm there, model.hidden is 8 here and 6 there" in message
    assert "no word in common" in refused(path, codec(("x", "y")))
    assert "set data.backwards=false" in refused(path, codec(HERE, backwards=True))
    assert "is not a run directory" in refused(tmp_path / "nowhere", codec(HERE))
    RunDirectory(path).write_config(typed(compose()))
    assert "is not the run of a language model" in refused(path, codec(HERE))


def test_weights_are_those_of_the_best_checkpoint(run: tuple[Path, AwdLstm]) -> None:
    path, there = run
    here = AwdLstm(options(encoder=str(path)), 4 + len(THERE))
    load_encoder(here, here.options, codec(THERE))
    for name, value in here.state_dict().items():
        expected: Tensor = there.state_dict()[name]
        torch.testing.assert_close(value, expected)
