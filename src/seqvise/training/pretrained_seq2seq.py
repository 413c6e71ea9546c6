"""Initial weights of a translation model from language models (Ramachandran, Liu and Le 2017, arXiv:1611.02683)."""

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
from seqvise.options import option
from seqvise.runs.load import Run, trained_on
from seqvise.runs.model import model_weights
from seqvise.training.pretrained_encoder import VocabularyCoverage, word_rows

WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


@dataclass(frozen=True)
class LoadedWeights:
    """The weights that a translation model got from a language model.

    Attributes:
        key: the `model.pretrained` key.
        layers: number of loaded recurrent layers, starting with the first.
        of: number of layers of the model.
        words: coverage of the vocabulary; None if another key sets the word vectors.
    """

    key: str
    layers: int
    of: int
    words: VocabularyCoverage | None

    def summary(self) -> str:
        """The loaded weights as text."""
        words = self.words
        coverage = "" if words is None else f"; {words.known} of {words.vocab_size} words, the others get the mean"
        return f"{self.key}: {self.layers} of {self.of} layers{coverage}"


@torch.no_grad()
def load_language_models(
    model: Recurrent, options: RecurrentOptions, source: TextCodec, target: TextCodec, trust: bool = False
) -> list[LoadedWeights]:
    """Loads word vectors and layers from the runs that ``options.pretrained`` names into a new model.

    Layers are loaded in order, from the first up to the first with other sizes. Words that are out of a language
    model's vocabulary get the mean of its word vectors; ``<bos>`` gets the vector of its document separator. The output
    projection gets the biases of the target's language model and, with ``tie_output``, its word vectors.

    Args:
        model: a new model.
        options: the model's options.
        source, target: the codecs with the model's vocabularies.
        trust: whether classes outside seqvise, torch and Lightning that the runs' configs name may be imported.

    Raises:
        UserError: a run is not a language model, or its cell, sizes, vocabulary or reading direction do not match.
    """
    pretrained, loaded = options.pretrained, list[LoadedWeights]()
    sides = (
        ("source", pretrained.source, source, model.encoder, "forwards", False),
        ("source_backwards", pretrained.source_backwards, source, model.encoder, "backwards", True),
        ("target", pretrained.target, target, model.decoder, "layers", False),
    )
    for name, path, codec, side, layers_name, backwards in sides:
        if path is None:
            continue
        key = f"model.pretrained.{name}"
        embedding, layers = _parts(side, layers_name, key)
        run = _checked(key, Run.open(Path(path).expanduser(), trust), options, backwards)
        weights = model_weights(run.checkpoint())
        rows = word_rows(run, codec.vocabulary, key)
        words = None
        if name != "source_backwards" or pretrained.source is None:
            rows[BOS] = EOS
            embedding.weight.copy_(map_words(weights["encoder.embedding.weight"], rows))
            embedding.weight[PAD] = 0
            words = VocabularyCoverage(int((rows >= 0).sum()) - len(SPECIALS), len(rows) - len(SPECIALS))
        if name == "target" and _has_biases(run, weights):
            model.generator.bias.copy_(map_words(weights["generator.bias"], rows))
        count = _load_layers(layers, weights, run, key)
        loaded.append(LoadedWeights(key, count, len(layers), words))
    return loaded


def _parts(side: nn.Module, name: str, key: str) -> tuple[nn.Embedding, list[nn.Module]]:
    """The embedding and the layers of an encoder or decoder, which may be your own class."""
    embedding, layers = getattr(side, "embedding", None), getattr(side, name, None)
    if not isinstance(embedding, nn.Embedding) or not isinstance(layers, nn.ModuleList):
        raise UserError(f"{key}: {type(side).__name__} has no embedding and {name} to load from a language model.")
    return embedding, list(layers)


def _has_biases(run: Run, weights: dict[str, Tensor]) -> bool:
    """Whether the run has one bias for each word. With an adaptive softmax, biases belong to clusters."""
    return "generator.bias" in weights and option(run.config.model, "adaptive") is None


def _checked(key: str, run: Run, options: RecurrentOptions, backwards: bool) -> Run:
    saved = run.config.model
    if not isinstance(saved, LanguageModelOptions):
        raise UserError(f"{key}={run.path} is not the run of a language model: {trained_on(run)}.")
    differences = [
        f"model.{name} is {getattr(options, name)} here and {getattr(saved, name)} there"
        for name in ("cell", "embedding")
        if getattr(options, name) != getattr(saved, name)
    ]
    if differences:
        raise UserError(f"{key}: the language model {run.path} does not fit: {', '.join(differences)}. Use its values.")
    if run.text.backwards != backwards:
        direction = "from its end" if backwards else "from its beginning"
        raise UserError(
            f"{key} needs a language model that reads each document {direction}: train one with "
            f"data.backwards={str(backwards).lower()}."
        )
    return run


def _load_layers(layers: Sequence[nn.Module], weights: dict[str, Tensor], run: Run, key: str) -> int:
    """Copies layers of the same size, starting with the first, and returns their number."""
    count = 0
    for number, layer in enumerate(layers):
        pretrained = {name: weights.get(f"encoder.layers.{number}.{name}") for name in WEIGHTS}
        parameters = {name: layer.get_parameter(name) for name in WEIGHTS}
        if any(weight is None or weight.shape != parameters[name].shape for name, weight in pretrained.items()):
            break
        for name, weight in pretrained.items():
            assert weight is not None
            parameters[name].copy_(weight)
        count += 1
    if not count:
        raise UserError(
            f"{key}: no layer of {run.path} has the sizes of this model: its first layer has {_sizes(weights)}, this "
            f"model's {_shape(layers[0])} (input size, hidden size). Use the sizes of that run."
        )
    return count


def _sizes(weights: dict[str, Tensor]) -> str:
    return f"{weights['encoder.layers.0.weight_ih_l0'].shape[1]}, {weights['encoder.layers.0.weight_hh_l0'].shape[1]}"


def _shape(layer: nn.Module) -> str:
    return f"{layer.get_parameter('weight_ih_l0').shape[1]}, {layer.get_parameter('weight_hh_l0').shape[1]}"
