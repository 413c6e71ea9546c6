"""A language model's job, refused where the corpus does not fit the choices."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.errors import UserError
from seqvise.training.language_model import build

WORDS = ["data=text_lines", "data.format=phrasebook", "data.limit=60", "model=awd_lstm", "tokenizer=words"]
SMALL = ["model.embedding=8", "model.hidden=8", "model.layers=1", "vectors=none"]


def test_a_cutoff_above_the_vocabulary_size_is_refused(tmp_path: Path) -> None:
    config = typed(compose([*WORDS, *SMALL, "model.adaptive=[9,5000]", f"paths.outputs={tmp_path}"]))
    with pytest.raises(UserError, match=r"model.adaptive is \[9, 5000\], but must be below the vocabulary size \d+"):
        build(config, 0)
