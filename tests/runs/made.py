"""Run directories of untrained models, which are created quickly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.vocabulary import Vocabulary
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.awd_lstm.options import LanguageModelOptions
from seqvise.runs.directory import RunDirectory
from seqvise.runs.model import build_model

SOURCE = ("qui", "est", "là", "?", "où", "es", "-tu", "que", "fait", "-il")
TARGET = ("who", "is", "there", "?", "where", "are", "you", "what", "does", "he", "do")
MODEL = ["model.embedding=8", "model.encoder_hidden=8", "model.decoder_hidden=8"]


def codec(language: str, words: tuple[str, ...]) -> TextCodec:
    joins = {"?": (True, False), "-tu": (True, False), "-il": (True, False)}
    vocabulary = Vocabulary.from_ranked(words, dict.fromkeys(words, 1), joins)
    return TextCodec(language, TokenizerOptions(name="words", case="lower"), vocabulary)


def make_run(
    path: Path,
    *overrides: str,
    seed: int = 0,
    target: tuple[str, ...] = TARGET,
    unknown: float = 0.0,
    sizes: Sequence[str] = MODEL,
) -> Path:
    """A run whose model generates random words. unknown: added to the logit of ``<unk>``."""
    config = typed(compose([*sizes, *overrides]))
    source, target_codec = codec("fr", SOURCE), codec("en", target)
    torch.manual_seed(seed)
    model = build_model(config, len(source.vocabulary), len(target_codec.vocabulary))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4.0)
        bias = model.get_parameter("generator.bias")
        bias.normal_()
        bias[3] += unknown
    run = RunDirectory(path)
    path.mkdir(parents=True)
    run.write_config(replace(config, seed=1))
    source.save(run.assets, "source")
    target_codec.save(run.assets, "target")
    run.checkpoints.mkdir()
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": weights}, run.checkpoints / "best.ckpt")
    (path / "status.json").write_text(json.dumps({"status": "ok"}))
    return path


def plain_codec(words: tuple[str, ...], language: str = "en", backwards: bool = False) -> TextCodec:
    """A word codec without spacing statistics."""
    vocabulary = Vocabulary.from_ranked(words, dict.fromkeys(words, 1), {})
    return TextCodec(language, TokenizerOptions(name="words"), vocabulary, backwards=backwards)


def make_language_run(path: Path, codec: TextCodec, *sizes: str) -> tuple[Path, AwdLstm]:
    """A run of a language model that was never trained, and its model."""
    config = typed(compose(["model=awd_lstm", "data=text_lines", "data.root=r", "data.train=t", *sizes]))
    run = RunDirectory(path)
    path.mkdir(parents=True)
    run.write_config(config)
    codec.save(run.assets, "text")
    model = AwdLstm(cast(LanguageModelOptions, config.model), len(codec.vocabulary))
    torch.nn.init.normal_(model.generator.bias)
    run.checkpoints.mkdir()
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": weights}, run.checkpoints / "best.ckpt")
    return path, model
