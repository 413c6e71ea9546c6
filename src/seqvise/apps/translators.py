"""What the commands that translate add to a run's translator."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqvise.runs.translator import Translator

log = logging.getLogger(__name__)


def with_files(translator: Translator, source_vectors: Path | None, shortlist: Path | None) -> Translator:
    """The translator with more source words, and which says words of a short-list alone.

    Args:
        translator: it is not changed.
        source_vectors: word vectors, see ``expanded``; None for the run's words.
        shortlist: a file of ``seqvise shortlist``; None for all words.

    Raises:
        UserError: a file cannot be read or does not fit the run.
    """
    if source_vectors is not None:
        from seqvise.runs.expansion import expanded

        translator, found = expanded(translator, source_vectors)
        log.info("source_vectors: %s", found)
    return translator if shortlist is None else translator.among(shortlist)
