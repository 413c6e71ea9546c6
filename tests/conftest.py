"""Shared fixtures: a small prepared corpus, a working folder, and settings."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import omegaconf._utils
import pytest
import yaml
from hypothesis import settings

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.store import TokenStore
from seqvise.corpus.tokens.options import TokenizerOptions

# The duration of an example depends on the load of the machine.
settings.register_profile("any_machine", deadline=None)
settings.load_profile("any_machine")


# The following only avoids repeated work; it does not change what the tests see.
GARBAGE = 10_000  # new objects before Python looks for cycles; by default 700


def pytest_collection_finish() -> None:
    """Excludes imported objects from garbage collection, which would take a tenth of the time, or more in commands that
    collect explicitly."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _installed_once() -> Iterator[None]:
    """Reads the installed plugins from disk once, not in every Trainer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightning_fabric.utilities.registry.entry_points", functools.cache(entry_points))
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_yaml() -> Iterator[None]:
    """Reads config files with libyaml if available; invalid files are read again for the usual error messages."""
    libyaml = getattr(yaml, "CSafeLoader", None)
    if libyaml is None:
        yield
        return
    usual, read = omegaconf._utils.get_yaml_loader, yaml.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "SafeLoader", libyaml)
        quick = usual()
        patch.undo()

        def load(stream: Any, Loader: Any) -> Any:  # noqa: N803
            if Loader is not quick:
                return read(stream, Loader)
            text = stream if isinstance(stream, str | bytes) else stream.read()
            try:
                return read(text, quick)
            except yaml.YAMLError:
                return read(text, usual())

        patch.setattr(omegaconf._utils, "get_yaml_loader", lambda: quick)
        patch.setattr(yaml, "load", load)
        yield


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder; restores the environment and path of the process afterwards."""
    before = dict(os.environ)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for token stores that all tests share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def store(cache: Path) -> TokenStore:
    """Two hundred training pairs of the phrasebook, with its validation and test parts."""
    data = DataOptions(name="phrasebook", format="phrasebook", limit=200)
    return prepare_corpus(data, TokenizerOptions(name="words"), cache)
