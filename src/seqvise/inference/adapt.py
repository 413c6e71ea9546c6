"""What the commands that translate add to a run's translator."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqvise.inference.translator import Translator

log = logging.getLogger(__name__)


PRECISIONS = ("fp32", "bf16", "int8")


def adapted(translator: Translator, source_vectors: Path | None, shortlist: Path | None, precision: str) -> Translator:
    """The translator with more source words, which says words of a short-list alone, from weights of fewer bits.

    Args:
        translator: it is not changed.
        source_vectors: word vectors, see ``expanded``; None for the run's words.
        shortlist: a file of ``seqvise shortlist``; None for all words.
        precision: of ``PRECISIONS``.

    Raises:
        UserError: a file cannot be read or does not fit the run, or the precision not the device.
    """
    if source_vectors is not None:
        from seqvise.inference.vocabulary_expansion import expanded

        translator, found = expanded(translator, source_vectors)
        log.info("source_vectors: %s", found)
    if shortlist is not None:
        translator = translator.among(shortlist)
    return translator if precision == "fp32" else translator.rounded(precision)
