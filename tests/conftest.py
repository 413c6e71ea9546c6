"""Fixtures that several packages' tests share: a small prepared corpus, and Hypothesis settings."""

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

# An example's duration depends on the load of the machine.
settings.register_profile("any_machine", deadline=None)
settings.load_profile("any_machine")


# All that follows leaves what the tests see as it is, and spares each of thousands the same work.
GARBAGE = 10_000  # new objects before Python looks for cycles; by default 700


LONGEST = (
    "cli/test_sweep.py",
    "results/test_speed.py",
    "export/test_folder.py",
    "cli/test_resume.py",
    "launching/test_watchdog.py",
    "runs/test_resume_exact.py",
    "cli/test_refused_resume.py",
)
"""Files of tests, longest first. xdist gives a file to one worker, so that a long one at the end leaves others idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first, in this order with ``--no-loadscope-reorder``."""
    tests = Path(__file__).parent
    ranks = {tests / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(LONGEST)))


def pytest_collection_finish() -> None:
    """Keeps the collector of cycles away from what the tests have imported, which stays: looking at it takes a tenth of
    the time, and more where a command collects by itself."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _installed_once() -> Iterator[None]:
    """What plugins are installed is read from the disk once, not by every Trainer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightning_fabric.utilities.registry.entry_points", functools.cache(entry_points))
        yield


@pytest.fixture(scope="session", autouse=True)
def _unsynchronized() -> Iterator[None]:
    """Files are not forced to the disk: only a crash of the machine could show the difference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_yaml() -> Iterator[None]:
    """Config files are read by libyaml where it is there; what it refuses, the usual reader refuses in its words."""
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
    """An empty folder to work in; what trained runs change of the process is put back."""
    before = dict(os.environ)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for token stores, shared by all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def store(cache: Path) -> TokenStore:
    """Token store of 200 training pairs of the phrasebook, with its validation and test parts."""
    data = DataOptions(name="phrasebook", format="phrasebook", limit=200)
    return prepare_corpus(data, TokenizerOptions(name="words"), cache)
