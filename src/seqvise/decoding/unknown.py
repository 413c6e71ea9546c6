"""Replacement of out-of-vocabulary output words (Luong et al. 2015, arXiv:1410.8206)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqvise.decoding.forced_decoding import force_words
from seqvise.decoding.options import COPY, KEEP
from seqvise.errors import UserError
from seqvise.models.interface import UNK, SourceBatch, StepModel

Table = Mapping[str, str]


def read_table(unknown: str) -> Table | None:
    """The replacements of source words: None for ``keep``, empty for ``copy``, else the table in the file.

    Raises:
        UserError: the file cannot be read, or a line does not have two tab-separated columns.
    """
    if unknown in (KEEP, COPY):
        return None if unknown == KEEP else {}
    try:
        lines = Path(unknown).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"unknown={unknown} cannot be read: {reason}; {KEEP} and {COPY} need no file.") from None
    pairs = [line.split("\t") for line in lines]
    for number, pair in enumerate(pairs, 1):
        if len(pair) != 2:
            raise UserError(f"{unknown}, line {number}: expected a source word, a tab and its replacement.")
    return dict(pairs)


def replace_unknown(
    words: Sequence[str], unknown: Sequence[bool], positions: Sequence[int], source: Sequence[str], table: Table
) -> list[str]:
    """Replaces unknown words by the table's entry for the aligned source word, or by that source word itself.

    Args:
        words: T words.
        unknown: T, whether a word is unknown.
        positions: T, position of the source word with the most attention.
        source: the source words in their original spelling.
        table: the replacements of source words.
    """
    copied = [table.get(source[position], source[position]) if position < len(source) else "" for position in positions]
    return [copy if missing and copy else word for word, missing, copy in zip(words, unknown, copied, strict=True)]


def attended_positions(
    model: StepModel[Any, Any], src: SourceBatch, tokens: Tensor, attention: Tensor | None = None
) -> Tensor:
    """Position of the source word, except ``EOS``, with the most attention at each output word: (B, K, T) int64.

    Sentences without unknown output words are skipped; their positions are 0.

    Args:
        model: in evaluation mode, with attention.
        src: B source sentences.
        tokens: (B, K, T) int64.
        attention: (B, K, T, S), if already known; else ``force_words`` computes that of sentences with unknown words.
    """
    positions = torch.zeros_like(tokens)
    rows = (tokens == UNK).any(2).any(1).nonzero().squeeze(1)
    if not len(rows):
        return positions
    chosen = SourceBatch(src.ids[rows], src.lengths[rows])
    weights = force_words(model, chosen, tokens[rows]).attention if attention is None else attention[rows]
    assert weights is not None
    source_mask = chosen.mask()
    source_mask[torch.arange(len(rows)), chosen.lengths - 1] = False
    positions[rows] = weights.masked_fill(~source_mask[:, None, None], -1.0).argmax(3)
    return positions
