"""Decodes a batch by greedy decoding, beam search or sampling, with or without a short-list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from seqvise.decoding.beam import BeamSearch
from seqvise.decoding.forced_decoding import force_words
from seqvise.decoding.hypotheses import NBest, concat_nbest
from seqvise.decoding.options import DecodingOptions
from seqvise.decoding.sampling import Sampler
from seqvise.decoding.shortlist import Shortlist, shortlisted
from seqvise.models.interface import SourceBatch, StepModel, map_tensors

STRATEGIES = {False: BeamSearch, True: Sampler}
"""The strategy by ``DecodingOptions.samples``. A beam of 1 is greedy decoding."""


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

    In single precision, tokens depend neither on the other sentences of the batch nor on their order: near-ties are
    decoded again with batch size 1.

    Args:
        model: any model with the step interface, in evaluation mode.
        src: the source sentences.
        options: valid decoding options.
        attention: also return the weights over the source, if the model has attention.
        prefix: (B, P) int64, forced first words of each hypothesis, padded with ``PAD``; None for no prefix.
        shortlist: candidate target words per source word, on the model's device; None for the full vocabulary.
            Probabilities are normalised over the candidates.

    Raises:
        UserError: the options need attention, but the model has none.
    """
    if shortlist is None:
        nbest = _search(model, src, options, prefix)
    else:
        narrow_model, words = shortlisted(model, shortlist, src, prefix)
        nbest = _search(narrow_model, src, options, None if prefix is None else torch.searchsorted(words, prefix))
        nbest = replace(nbest, tokens=words[nbest.tokens])
    if not attention:
        return nbest
    return replace(nbest, attention=force_words(model, src, nbest.tokens).attention)


def _search(model: StepModel[Any, Any], src: SourceBatch, options: DecodingOptions, prefix: Tensor | None) -> NBest:
    """The hypotheses; sentences with a near-tie are decoded again with batch size 1."""
    strategy = STRATEGIES[options.samples]
    nbest = strategy(model, src, options, prefix).run()
    if len(src.lengths) == 1 or not nbest.near_tie.any():
        return nbest
    near_tie_rows, certain_rows = nbest.near_tie.nonzero().squeeze(1), (~nbest.near_tie).nonzero().squeeze(1)
    parts = [map_tensors(lambda part: part[certain_rows], nbest)]
    for row in near_tie_rows.tolist():
        alone = slice(row, row + 1)
        source = SourceBatch(src.ids[alone, : int(src.lengths[row])], src.lengths[alone])
        parts.append(strategy(model, source, options, None if prefix is None else prefix[alone]).run())
    inverse = torch.cat([certain_rows, near_tie_rows]).argsort()
    return map_tensors(lambda part: part[inverse], concat_nbest(parts))
