"""Options of an index. Imports nothing heavy."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

log = logging.getLogger(__name__)
EXACT, NMSLIB, FAISS = "exact", "nmslib", "faiss"
KINDS = (EXACT, NMSLIB, FAISS)
PACKAGES = {NMSLIB: ("nmslib", "nmslib"), FAISS: ("faiss", "faiss-cpu")}
"""For each kind the module that it needs, and the package that provides the module."""
IMAGES, LABELS, IMAGENET, WORDNET = "images", "labels", "imagenet", "wordnet"
GOALS = (IMAGES, LABELS, IMAGENET, WORDNET)
"""Results of a search: images of an index, labels, classes of ImageNet, or nouns of WordNet."""
COMBINATIONS = ("unit", "raw")
"""How the vectors of a query's words are added: scaled to unit length, or as they are."""
LARGE = 100_000
"""Vectors from which an approximate index is the default."""
AUTO = "auto"


@dataclass(frozen=True)
class GraphOptions:
    """A navigable small-world graph (HNSW; Malkov and Yashunin 2018, arXiv:1603.09320).

    Attributes:
        links: links of each vector, M in the paper; twice as many on the lowest level.
        build: candidates kept while a vector is linked (efConstruction).
        recall: searches keep as many candidates (efSearch) as reach at least this recall@10 on a sample.
        threads: threads that build the graph and search for many queries; 0: one per processor.
    """

    links: int = 16
    build: int = 100
    recall: float = 0.97
    threads: int = 0


def index_problems(kind: str) -> Iterator[str]:
    """Yields a sentence if a kind of index does not exist or is not installed."""
    if "." in kind:
        return  # a class of the user's own, which find_kind imports
    if kind not in (*KINDS, AUTO):
        names = ", ".join((AUTO, *KINDS))
        yield f"index is '{kind}', but must be one of {names}, or the dotted path of a class of your own."
    elif not is_installed(kind):
        yield (
            f"index={kind} needs {PACKAGES[kind][1]}, which is not installed: `pip install 'seqvise[search]'`, or use "
            "index=exact."
        )


def is_installed(kind: str) -> bool:
    """Whether the package of a kind of index is installed."""
    return kind not in PACKAGES or find_spec(PACKAGES[kind][0]) is not None


def chosen_kind(kind: str, count: int) -> str:
    """Resolves ``auto``: exact below 100,000 vectors, from there on an approximate index.

    If no package for an approximate index is installed, the kind is exact, and a warning is logged.
    """
    if kind != AUTO:
        return kind
    if count < LARGE:
        return EXACT
    installed = next((name for name in (NMSLIB, FAISS) if is_installed(name)), None)
    if installed is None:
        log.warning(
            "index=auto is exact although there are %s vectors, because neither nmslib nor faiss is installed: a "
            "search compares with all of them. For a faster search: `pip install 'seqvise[search]'`.",
            f"{count:,}",
        )
    return installed or EXACT
