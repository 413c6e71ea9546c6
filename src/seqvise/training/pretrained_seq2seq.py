"""Language models as the start of a translation model (Ramachandran, Liu and Le 2017, arXiv:1611.02683)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.vocabulary import BOS, EOS, PAD, SPECIALS
from seqvise.errors import UserError
from seqvise.models.awd_lstm.model import map_words
from seqvise.models.awd_lstm.options import LanguageModelOptions
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.runs.load import Run
from seqvise.runs.model import model_weights
from seqvise.training.pretrained_encoder import Transfer, word_places

WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


@dataclass(frozen=True)
class Start:
    """What a translation model took of a language model.

    Attributes:
        key: which of the `model.pretrained` keys.
        layers: how many recurrent layers, from the first on.
        of: how many there are.
        words: of the vocabulary; None where another key gives the word vectors.
    """

    key: str
    layers: int
    of: int
    words: Transfer | None

    def told(self) -> str:
        """It in words."""
        known = "" if self.words is None else f"; {self.words.known} of {self.words.words} words, the others the mean"
        return f"{self.key}: {self.layers} of {self.of} layers{known}"


@torch.no_grad()
def load_language_models(
    model: Recurrent, options: RecurrentOptions, source: TextCodec, target: TextCodec, trust: bool = False
) -> list[Start]:
    """Puts word vectors and layers of the runs that ``options.pretrained`` names into a new model.

    Of the layers those are taken, from the first on, whose sizes are the same. Words that a language model did not know
    get the mean of its word vectors, and the start of a translation what stood between two of its documents. The
    projection to words gets the biases and, with ``tie_output``, the word vectors of the target's.

    Args:
        model: new.
        options: its choices.
        source, target: its words.
        trust: import classes outside of seqvise, torch and Lightning that the runs' configs name.

    Raises:
        UserError: a run is no language model, or has another cell, other sizes, no word in common, or reads the other
            way.
    """
    chosen, found = options.pretrained, []
    sides = (
        ("source", chosen.source, source, model.encoder, "forwards", False),
        ("source_backwards", chosen.source_backwards, source, model.encoder, "backwards", True),
        ("target", chosen.target, target, model.decoder, "layers", False),
    )
    for name, path, codec, side, layers_name, backwards in sides:
        if path is None:
            continue
        key = f"model.pretrained.{name}"
        embedding, layers = _parts(side, layers_name, key)
        run = _fitting(key, Run.open(Path(path).expanduser(), trust), options, backwards)
        weights = model_weights(run.checkpoint())
        places = word_places(run, codec.vocabulary, key)
        words = None
        if name != "source_backwards" or chosen.source is None:
            places[BOS] = EOS
            embedding.weight.copy_(map_words(weights["encoder.embedding.weight"], places))
            embedding.weight[PAD] = 0
            words = Transfer(int((places >= 0).sum()) - len(SPECIALS), len(places) - len(SPECIALS))
        if name == "target" and _has_biases(run, weights):
            model.generator.bias.copy_(map_words(weights["generator.bias"], places))
        count = _load_layers(layers, weights, run, key)
        found.append(Start(key, count, len(layers), words))
    return found


def _parts(side: nn.Module, name: str, key: str) -> tuple[nn.Embedding, list[nn.Module]]:
    """The word vectors and the layers of an encoder or decoder, which may be a person's own."""
    embedding, layers = getattr(side, "embedding", None), getattr(side, name, None)
    if not isinstance(embedding, nn.Embedding) or not isinstance(layers, nn.ModuleList):
        raise UserError(
            f"{key}: {type(side).__name__} has no embedding and {name} to be started from a language model."
        )
    return embedding, list(layers)


def _has_biases(run: Run, weights: dict[str, Tensor]) -> bool:
    """Whether the run has a bias for each word; of a cut vocabulary it is one within a cluster."""
    return "generator.bias" in weights and getattr(run.config.model, "adaptive", None) is None


def _fitting(key: str, run: Run, options: RecurrentOptions, backwards: bool) -> Run:
    there = run.config.model
    if not isinstance(there, LanguageModelOptions):
        raise UserError(f"{key}={run.path} is no run of a language model.")
    wrong = [
        f"model.{name} is {getattr(options, name)} here and {getattr(there, name)} there"
        for name in ("cell", "embedding")
        if getattr(options, name) != getattr(there, name)
    ]
    if wrong:
        raise UserError(
            f"{key}: the language model {run.path} does not fit: {', '.join(wrong)}. Set them as they are there."
        )
    if run.text.backwards != backwards:
        wanted = "from its end" if backwards else "from its beginning"
        raise UserError(
            f"{key} needs a language model that reads each document {wanted}: train one with "
            f"data.backwards={str(backwards).lower()}."
        )
    return run


def _load_layers(layers: Sequence[nn.Module], weights: dict[str, Tensor], run: Run, key: str) -> int:
    """Copies what fits, from the first layer on, and gives how many layers that are."""
    count = 0
    for number, layer in enumerate(layers):
        theirs = {name: weights.get(f"encoder.layers.{number}.{name}") for name in WEIGHTS}
        ours = {name: layer.get_parameter(name) for name in WEIGHTS}
        if any(weight is None or weight.shape != ours[name].shape for name, weight in theirs.items()):
            break
        for name, weight in theirs.items():
            assert weight is not None
            ours[name].copy_(weight)
        count += 1
    if not count:
        raise UserError(
            f"{key}: no layer of {run.path} has the sizes of ours: its first has {_sizes(weights)} and this model's "
            f"{_shape(layers[0])} (inputs, then state)."
        )
    return count


def _sizes(weights: dict[str, Tensor]) -> str:
    return f"{weights['encoder.layers.0.weight_ih_l0'].shape[1]}, {weights['encoder.layers.0.weight_hh_l0'].shape[1]}"


def _shape(layer: nn.Module) -> str:
    return f"{layer.get_parameter('weight_ih_l0').shape[1]}, {layer.get_parameter('weight_hh_l0').shape[1]}"
