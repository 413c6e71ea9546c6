"""Decoding a batch, by whatever strategy the options ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from seqvise.decoding.beam import beam_search
from seqvise.decoding.forced_decoding import force_words
from seqvise.decoding.hypotheses import NBest, joined
from seqvise.decoding.options import DecodingOptions
from seqvise.decoding.sampling import sample
from seqvise.decoding.shortlist import Shortlist, shortlisted
from seqvise.models.interface import SourceBatch, StepModel

Strategy = Callable[[StepModel[Any, Any], SourceBatch, DecodingOptions, Tensor | None], NBest]
STRATEGIES: dict[bool, Strategy] = {False: beam_search, True: sample}
"""By whether words are drawn. A beam of 1 is greedy decoding."""


@torch.no_grad()
def decode(
    model: StepModel[Any, Any],
    src: SourceBatch,
    options: DecodingOptions,
    attention: bool = False,
    prefix: Tensor | None = None,
    shortlist: Shortlist | None = None,
) -> NBest:
    """The best hypotheses of each sentence.

    In single precision neither the other sentences of the batch nor their order changes a token: results that
    rounding could have decided are searched for once more, each sentence alone.

    Args:
        model: any model with the step interface, in evaluation mode.
        src: the sources.
        options: without problems.
        attention: also give the weights over the source, where the model has them.
        prefix: (B, P) int64, words that each hypothesis begins with, then ``PAD``; None for none.
        shortlist: what can be said for each source word, on the model's device; None for all words. Scores are among
            the words that can be said.

    Raises:
        UserError: the options ask for attention, which the model has not.
    """
    if shortlist is None:
        found = _found(model, src, options, prefix)
    else:
        fewer, words = shortlisted(model, shortlist, src, prefix)
        found = _found(fewer, src, options, None if prefix is None else torch.searchsorted(words, prefix))
        found = replace(found, tokens=words[found.tokens])
    if not attention:
        return found
    return replace(found, attention=force_words(model, src, found.tokens).attention)


def _found(model: StepModel[Any, Any], src: SourceBatch, options: DecodingOptions, prefix: Tensor | None) -> NBest:
    strategy = STRATEGIES[options.samples]
    found = strategy(model, src, options, prefix)
    if len(src.lengths) > 1 and found.close.any():
        return _settled(strategy, model, src, options, prefix, found)
    return found


def _settled(
    strategy: Strategy,
    model: StepModel[Any, Any],
    src: SourceBatch,
    options: DecodingOptions,
    prefix: Tensor | None,
    found: NBest,
) -> NBest:
    """The hypotheses, those of close sentences replaced by what is found for the sentence alone."""
    close, sure = found.close.nonzero().squeeze(1), (~found.close).nonzero().squeeze(1)
    parts = [NBest(found.tokens[sure], found.scores[sure], found.log_probs[sure], found.close[sure])]
    for row in close.tolist():
        alone = slice(row, row + 1)
        source = SourceBatch(src.ids[alone, : int(src.lengths[row])], src.lengths[alone])
        parts.append(strategy(model, source, options, None if prefix is None else prefix[alone]))
    every = joined(parts)
    back = torch.cat([sure, close]).argsort()
    return NBest(every.tokens[back], every.scores[back], every.log_probs[back], every.close[back])
