"""What several rooms' tests share: a small prepared corpus, and settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.store import TokenStore
from seqvise.corpus.tokens.options import TokenizerOptions

# How long an example takes says how busy the machine is.
settings.register_profile("any_machine", deadline=None)
settings.load_profile("any_machine")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for token stores that all tests share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def store(cache: Path) -> TokenStore:
    """Two hundred training pairs of the phrasebook, with its validation and test parts."""
    data = DataOptions(name="phrasebook", format="phrasebook", limit=200)
    return prepare_corpus(data, TokenizerOptions(name="words"), cache)
