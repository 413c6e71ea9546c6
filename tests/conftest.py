"""Fixtures that several packages' tests share: a small prepared corpus, and Hypothesis settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.store import TokenStore
from seqvise.corpus.tokens.options import TokenizerOptions

# An example's duration depends on the load of the machine.
settings.register_profile("any_machine", deadline=None)
settings.load_profile("any_machine")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for token stores, shared by all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def store(cache: Path) -> TokenStore:
    """Token store of 200 training pairs of the phrasebook, with its validation and test parts."""
    data = DataOptions(name="phrasebook", format="phrasebook", limit=200)
    return prepare_corpus(data, TokenizerOptions(name="words"), cache)
