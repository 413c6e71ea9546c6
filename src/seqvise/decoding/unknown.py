"""What stands for words that the vocabulary does not have (Luong et al. 2015, arXiv:1410.8206)."""

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
    """What to write for source words: None for ``keep``, nothing for ``copy``, else the content of that file.

    Raises:
        UserError: the file cannot be read, or a line is not two words with a tab between.
    """
    if unknown in (KEEP, COPY):
        return None if unknown == KEEP else {}
    try:
        lines = Path(unknown).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"unknown={unknown} cannot be read: {told}; {KEEP} and {COPY} need no file.") from None
    pairs = [line.split("\t") for line in lines]
    for number, pair in enumerate(pairs, 1):
        if len(pair) != 2:
            raise UserError(f"{unknown}, line {number}: not a source word, a tab, and what to write for it.")
    return dict(pairs)


def replaced(
    words: Sequence[str], unknown: Sequence[bool], places: Sequence[int], source: Sequence[str], table: Table
) -> list[str]:
    """The words, those that are unknown replaced by what the table has for their source word, or by that itself.

    Args:
        words: T words.
        unknown: T, whether a word is unknown.
        places: T, the source word each looked at most.
        source: the source's words as they were written.
        table: what to write for source words.
    """
    copied = [table.get(source[place], source[place]) if place < len(source) else "" for place in places]
    return [copy if missing and copy else word for word, missing, copy in zip(words, unknown, copied, strict=True)]


def places_of_unknown(model: StepModel[Any, Any], src: SourceBatch, tokens: Tensor) -> Tensor:
    """The source word most looked at when each word was said, the end mark left aside: (B, K, T) int64.

    Sentences that say no unknown word are not looked at; their places are 0.

    Args:
        model: in evaluation mode, with attention.
        src: B sources.
        tokens: (B, K, T) int64.
    """
    places = torch.zeros_like(tokens)
    rows = (tokens == UNK).any(2).any(1).nonzero().squeeze(1)
    if not len(rows):
        return places
    attention = force_words(model, SourceBatch(src.ids[rows], src.lengths[rows]), tokens[rows]).attention
    assert attention is not None
    words = src.mask()[rows].clone()
    words[torch.arange(len(rows)), src.lengths[rows] - 1] = False
    places[rows] = attention.masked_fill(~words[:, None, None], -1.0).argmax(3)
    return places
