"""What a person chooses about an index. Imports nothing heavy."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

log = logging.getLogger(__name__)
EXACT, NMSLIB, FAISS = "exact", "nmslib", "faiss"
KINDS = (EXACT, NMSLIB, FAISS)
PACKAGES = {NMSLIB: ("nmslib", "nmslib"), FAISS: ("faiss", "faiss-cpu")}
"""The module that a kind needs, and the package that brings it."""
IMAGES, LABELS, IMAGENET, WORDNET = "images", "labels", "imagenet", "wordnet"
GOALS = (IMAGES, LABELS, IMAGENET, WORDNET)
"""What can be found: the images of an index, labels, ImageNet's classes, WordNet's nouns."""
COMBINATIONS = ("unit", "raw")
"""How the words of a query are added: each with the same weight, or with the vectors as they are."""
LARGE = 100_000
"""Vectors from which an approximate index is the default."""
AUTO = "auto"


@dataclass(frozen=True)
class GraphOptions:
    """A navigable small-world graph (HNSW; Malkov and Yashunin 2018, arXiv:1603.09320).

    Attributes:
        links: of a vector, M in the paper; twice as many on the ground level.
        build: candidates kept while a vector is linked (efConstruction).
        recall: searches keep as many candidates (efSearch) as give at least this recall@10 on a sample.
        threads: of building and of searching for many queries; 0: one a processor.
    """

    links: int = 16
    build: int = 100
    recall: float = 0.97
    threads: int = 0


def index_problems(kind: str, key: str = "index") -> Iterator[str]:
    """Sentences about a kind of index that there is not, or that cannot be had here. key: its name in the message."""
    if kind not in (*KINDS, AUTO):
        yield f"{key} is '{kind}', but must be one of {', '.join((AUTO, *KINDS))}."
    elif kind in PACKAGES and not is_installed(kind):
        package = PACKAGES[kind][1]
        yield (
            f"{key}={kind} needs {package}, which is not installed: `pip install 'seqvise[search]'`, or use "
            f"{key}=exact."
        )


def is_installed(kind: str) -> bool:
    """Whether an index of that kind can be built and searched here."""
    return kind not in PACKAGES or find_spec(PACKAGES[kind][0]) is not None


def chosen_kind(kind: str, count: int) -> str:
    """The kind that ``auto`` stands for: exact below 100,000 vectors, from there on an approximate one.

    Where no package of an approximate one is installed it is exact, and one line tells of it.
    """
    if kind != AUTO:
        return kind
    if count < LARGE:
        return EXACT
    installed = next((name for name in (NMSLIB, FAISS) if is_installed(name)), None)
    if installed is None:
        log.warning(
            "index=auto is exact although there are %s vectors, as neither nmslib nor faiss is installed: a search "
            "compares with all of them. For a faster one: `pip install 'seqvise[search]'`.",
            f"{count:,}",
        )
    return installed or EXACT
