"""Initial weights from the encoder of another run, which may have another vocabulary."""

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
from seqvise.options import option
from seqvise.outputs import unwritable
from seqvise.runs.directory import ASSETS, BEST, CHECKPOINTS, CONFIG
from seqvise.runs.integrity import record_assets
from seqvise.runs.load import Run, trained_on
from seqvise.runs.model import PREFIX, model_weights, write_checkpoint

ENCODER, GENERATOR = "encoder.", "generator."
SIZES = ("cell", "embedding", "hidden", "layers")


@dataclass(frozen=True)
class VocabularyCoverage:
    """The number of words of a vocabulary that a pretrained encoder covers."""

    known: int
    vocab_size: int


@torch.no_grad()
def load_encoder(
    model: nn.Module, options: EncoderOptions, codec: TextCodec, trust: bool = False
) -> VocabularyCoverage:
    """Loads word vectors and layers from the run that ``options.encoder`` names into a model.

    Words that are out of the run's vocabulary get the mean of its word vectors. A language model also gets the run's
    output projection.

    Args:
        model: a new model with an ``encoder``.
        options: the model's options.
        codec: the codec with the model's vocabulary.
        trust: whether classes outside seqvise, torch and Lightning that the run's config names may be imported.

    Raises:
        UserError: the run has no such encoder, or its sizes, vocabulary or reading direction do not match.
    """
    run = Run.open(Path(str(options.encoder)).expanduser(), trust)
    _check_sizes(run, options)
    if run.text.backwards != codec.backwards:
        direction = "from its end" if run.text.backwards else "from its beginning"
        wanted = str(run.text.backwards).lower()
        raise UserError(f"The encoder of {run.path} reads documents {direction}: set data.backwards={wanted}.")
    rows = word_rows(run, codec.vocabulary, "model.encoder")
    weights = model_weights(run.checkpoint())
    encoder = {name.removeprefix(ENCODER): value for name, value in weights.items() if name.startswith(ENCODER)}
    encoder["embedding.weight"] = map_words(encoder["embedding.weight"], rows)
    cast(AwdEncoder, model.encoder).load_state_dict(encoder)
    same_cutoffs = option(run.config.model, "adaptive") == option(options, "adaptive")
    _load_projection(model, weights, rows, ("weight", "bias") if same_cutoffs else ("weight",))
    known = int((rows >= 0).sum()) - len(SPECIALS)
    return VocabularyCoverage(known, len(rows) - len(SPECIALS))


def save_encoder(run: Run, output: Path) -> int:
    """Writes a run directory with only the encoder of a run's best checkpoint; returns its number of parameters.

    ``model.encoder`` accepts it like the run itself.

    Raises:
        UserError: the run has no encoder, or ``output`` exists.
    """
    if not isinstance(run.config.model, EncoderOptions):
        raise UserError(f"run={run.path} is not the run of a language model or a classifier: {trained_on(run)}.")
    if output.exists():
        raise UserError(f"output={output} exists: delete it, or choose another folder.")
    if reason := unwritable(output):
        raise UserError(f"output={output} cannot be created: {reason}.")
    weights = model_weights(run.checkpoint())
    encoder = {f"{PREFIX}{name}": value for name, value in weights.items() if name.startswith(ENCODER)}
    with atomic_folder(output) as folder:
        shutil.copy(run.path / CONFIG, folder)
        shutil.copytree(run.path / ASSETS, folder / ASSETS)
        (folder / CHECKPOINTS).mkdir()
        record_assets(folder / ASSETS)
        write_checkpoint({"state_dict": encoder}, folder / CHECKPOINTS / BEST)
    return sum(value.numel() for value in encoder.values())


def _load_projection(model: nn.Module, weights: dict[str, Tensor], rows: Tensor, names: Sequence[str]) -> None:
    """Loads the output projection. names: its parameters to load; biases depend on the adaptive cutoffs."""
    generator = getattr(model, "generator", None)
    for name in names if generator is not None else ():
        if GENERATOR + name in weights:
            cast(nn.Module, generator).get_parameter(name).copy_(map_words(weights[GENERATOR + name], rows))


def _check_sizes(run: Run, options: EncoderOptions) -> None:
    pretrained = run.config.model
    if not isinstance(pretrained, EncoderOptions):
        raise UserError(
            f"model.encoder={run.path} is not the run of a language model or a classifier: {trained_on(run)}."
        )
    differences = [
        f"model.{name} is {getattr(options, name)} here and {getattr(pretrained, name)} there"
        for name in SIZES
        if getattr(options, name) != getattr(pretrained, name)
    ]
    if differences:
        raise UserError(f"The encoder of {run.path} has other sizes: {', '.join(differences)}. Use its values.")


def word_rows(run: Run, vocabulary: Vocabulary, key: str) -> Tensor:
    """(V,) the row of each word in the run's vocabulary; -1 for words that the run does not have.

    Args:
        run: the run of a language model or a classifier.
        vocabulary: the V words.
        key: the config key that names the run, for the message.

    Raises:
        UserError: the vocabularies have no word in common.
    """
    row_of = {word: row for row, word in enumerate(run.text.vocabulary.words)}
    rows = torch.tensor([row_of.get(word, -1) for word in vocabulary.words])
    if not bool((rows[len(SPECIALS) :] >= 0).any()):
        raise UserError(
            f"The vocabulary of {run.path} has no word in common with the data: set data.language, tokenizer and data "
            f"as in that run, or choose another {key}."
        )
    return rows
