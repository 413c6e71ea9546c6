"""Runs whose model turns one sequence into another, and whether several can work as one."""

from __future__ import annotations

from torch import nn

from seqvise.config.classes import MODULE, find_class
from seqvise.corpus.codec import TextCodec
from seqvise.errors import UserError
from seqvise.runs.load import Run
from seqvise.runs.model import load_model, option

STEPS = ("encode", "init", "step", "reorder", "select")


def load_seq2seq(run: Run) -> nn.Module:
    """A run's model, on the CPU and in evaluation mode.

    Raises:
        UserError: the run is of another task, or is not whole; see ``load_model``.
    """
    target = option(run.config.model, "_target_")
    missing = [name for name in STEPS if not hasattr(find_class("model._target_", target, MODULE), name)]
    if missing:
        raise UserError(
            f"{run.path} cannot translate: its model, {target}, has no {', '.join(missing)}. "
            "Give the run of a translation model."
        )
    return load_model(run)


def check_same_words(first: Run, other: Run) -> None:
    """Refuses runs that do not read and say the same words.

    Raises:
        UserError: naming the side and what differs.
    """
    for side, ours, theirs in (("source", first.source, other.source), ("target", first.target, other.target)):
        if difference := _difference(ours, theirs):
            raise UserError(
                f"{first.path} and {other.path} cannot decode as one: {difference} on the {side} side. "
                "Give runs of one corpus and tokenizer."
            )


def _difference(ours: TextCodec, theirs: TextCodec) -> str:
    here, there = ours.vocabulary.words, theirs.vocabulary.words
    if len(here) != len(there):
        return f"they have {len(here)} and {len(there)} words"
    if here != there:
        return "their vocabularies differ"
    if (ours.language, ours.options, ours.model) != (theirs.language, theirs.options, theirs.model):
        return "their tokenizers differ"
    return "one reads from left to right, the other from right to left" if ours.backwards != theirs.backwards else ""
