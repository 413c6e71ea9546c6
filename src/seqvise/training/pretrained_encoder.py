"""The encoder of one run as the start of another, whatever its vocabulary."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.vocabulary import SPECIALS, Vocabulary
from seqvise.errors import UserError
from seqvise.files import atomic_folder
from seqvise.models.awd_lstm.model import AwdEncoder, map_words
from seqvise.models.awd_lstm.options import EncoderOptions
from seqvise.outputs import unwritable
from seqvise.runs.directory import ASSETS, BEST, CHECKPOINTS, CONFIG
from seqvise.runs.integrity import record_assets
from seqvise.runs.load import Run
from seqvise.runs.model import PREFIX, model_weights
from seqvise.runs.weights import write_checkpoint

ENCODER, GENERATOR = "encoder.", "generator."
SIZES = ("cell", "embedding", "hidden", "layers")


@dataclass(frozen=True)
class Transfer:
    """How many words of a vocabulary an encoder knew."""

    known: int
    words: int


@torch.no_grad()
def load_encoder(model: nn.Module, options: EncoderOptions, codec: TextCodec, trust: bool = False) -> Transfer:
    """Puts word vectors and layers of the run that ``options.encoder`` names into a model.

    Words that the run did not know get the mean of its word vectors. A language model takes the projection over, too.

    Args:
        model: new, with an ``encoder``.
        options: its choices.
        codec: its words.
        trust: import classes outside of seqvise, torch and Lightning that the run's config names.

    Raises:
        UserError: the run has no such encoder, one of another size, no word in common, or reads the other way.
    """
    run = Run.open(Path(str(options.encoder)).expanduser(), trust)
    _check_sizes(run, options)
    if run.text.backwards != codec.backwards:
        ways = "from its end" if run.text.backwards else "from its beginning"
        wanted = str(run.text.backwards).lower()
        raise UserError(f"The encoder of {run.path} reads documents {ways}: set data.backwards={wanted}.")
    places = word_places(run, codec.vocabulary, "model.encoder")
    weights = model_weights(run.checkpoint())
    found = {name.removeprefix(ENCODER): value for name, value in weights.items() if name.startswith(ENCODER)}
    found["embedding.weight"] = map_words(found["embedding.weight"], places)
    cast(AwdEncoder, model.encoder).load_state_dict(found)
    same = getattr(run.config.model, "adaptive", None) == getattr(options, "adaptive", None)
    _load_projection(model, weights, places, ("weight", "bias") if same else ("weight",))
    known = int((places >= 0).sum()) - len(SPECIALS)
    return Transfer(known, len(places) - len(SPECIALS))


def save_encoder(run: Run, output: Path) -> int:
    """Makes ``output`` a run directory with nothing but the encoder of a run's best checkpoint; gives its size.

    ``model.encoder`` takes it as it takes the run.

    Raises:
        UserError: the run has no encoder, or ``output`` is there already.
    """
    if not isinstance(run.config.model, EncoderOptions):
        raise UserError(f"run={run.path} is no run of a language model or a classifier.")
    if output.exists():
        raise UserError(f"output={output} is there already: delete it, or give the name of a new folder.")
    if reason := unwritable(output):
        raise UserError(f"output={output} cannot be made: {reason}.")
    weights = model_weights(run.checkpoint())
    kept = {f"{PREFIX}{name}": value for name, value in weights.items() if name.startswith(ENCODER)}
    with atomic_folder(output) as folder:
        shutil.copy(run.path / CONFIG, folder)
        shutil.copytree(run.path / ASSETS, folder / ASSETS)
        (folder / CHECKPOINTS).mkdir()
        record_assets(folder / ASSETS)
        write_checkpoint({"state_dict": kept}, folder / CHECKPOINTS / BEST)
    return sum(value.numel() for value in kept.values())


def _load_projection(model: nn.Module, weights: dict[str, Tensor], places: Tensor, names: Sequence[str]) -> None:
    """names: of the parameters that mean the same there. A bias does not where the vocabulary is cut elsewhere."""
    generator = getattr(model, "generator", None)
    for name in names if generator is not None else ():
        if GENERATOR + name in weights:
            cast(nn.Module, generator).get_parameter(name).copy_(map_words(weights[GENERATOR + name], places))


def _check_sizes(run: Run, options: EncoderOptions) -> None:
    theirs = run.config.model
    if not isinstance(theirs, EncoderOptions):
        raise UserError(f"model.encoder={run.path} is no run of a language model or a classifier.")
    wrong = [
        f"model.{name} is {getattr(options, name)} here and {getattr(theirs, name)} there"
        for name in SIZES
        if getattr(options, name) != getattr(theirs, name)
    ]
    if wrong:
        raise UserError(f"The encoder of {run.path} has another size: {', '.join(wrong)}. Set them as they are there.")


def word_places(run: Run, vocabulary: Vocabulary, key: str) -> Tensor:
    """(V,) the place of each word in the run's vocabulary, -1 for one that it lacks.

    Args:
        run: of a language model or a classifier.
        vocabulary: V words.
        key: which names the run, for the message.

    Raises:
        UserError: the two have no word in common.
    """
    there = {word: place for place, word in enumerate(run.text.vocabulary.words)}
    places = torch.tensor([there.get(word, -1) for word in vocabulary.words])
    if not bool((places[len(SPECIALS) :] >= 0).any()):
        raise UserError(
            f"The vocabulary of {run.path} has no word in common with that of the data: give data.language, tokenizer "
            f"and data as they were there, or another {key}."
        )
    return places
