"""Approximate search against exact search over many vectors that have neighbours, as embeddings do.

The vectors are a mixture of Gaussians on the sphere: random unit vectors have no neighbours worth finding. Queries are
drawn from the same mixture and are not in the index. Each kind is built and saved in a process of its own, and measured
in another, which has loaded it.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.alone import alone
from seqvise.retrieval.indexes.base import find_kind
from seqvise.retrieval.indexes.nearest import Rows
from seqvise.retrieval.indexes.recall import Probe, tune
from seqvise.retrieval.options import KINDS, GraphOptions, is_installed

DIM, CLUSTERS, SPREAD = 300, 1000, 0.6
TUNED, ASKED, SINGLE, K = 500, 2000, 200, 10
REPEATS = 3
WANTED = 0.96
"""Recall for which the width of search is chosen, on other queries than those that are reported."""


def mixture(count: int, seed: int) -> Rows:
    """(count, DIM) unit vectors around the same 1,000 centres whatever the seed.

    A vector is its centre and noise of SPREAD times its length: two of one cluster have a cosine of about .74.
    """
    centres = np.random.default_rng(0).normal(size=(CLUSTERS, DIM)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    rows = centres[rng.integers(0, CLUSTERS, count)]
    rows += SPREAD / DIM**0.5 * rng.standard_normal((count, DIM), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def measure_search(count: int) -> list[dict[str, Any]]:
    """A row for each kind of index that is installed, ratios to the exact one's queries a second among them."""
    rows = [alone(measure_kind, kind, count) for kind in KINDS if is_installed(kind)]
    exact = rows[0]
    for row in rows:
        row["batch_ratio"] = row["batch_rate"] / exact["batch_rate"]
        row["single_ratio"] = row["single_rate"] / exact["single_rate"]
    return rows


def measure_kind(kind: str, count: int) -> dict[str, Any]:
    """Seconds to build one kind, and what ``measure_loaded`` measures of it."""
    vectors = mixture(count, 1)
    ids = np.arange(count)
    started = time.perf_counter()
    index = find_kind(kind).build(vectors, ids, GraphOptions())
    seconds = time.perf_counter() - started
    if kind != "exact":
        tune(index, [Probe.of(index, mixture(TUNED, 2), exclude_self=False)], WANTED)
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        np.save(Path(folder) / "vectors.npy", vectors)
        loaded = alone(measure_loaded, kind, index.width, Path(folder))
    return {
        "kind": kind,
        "vectors": count,
        "dim": DIM,
        "build_seconds": seconds,
        "width": index.width,
        **loaded,
    }


def measure_loaded(kind: str, width: int, folder: Path) -> dict[str, float]:
    """Recall@10, queries a second together and one by one, and memory over that of the vectors, of a loaded index."""
    queries = mixture(ASKED, 3)
    vectors = np.asarray(np.load(folder / "vectors.npy", mmap_mode="r"))
    find_kind("exact").build(queries, np.arange(len(queries)), GraphOptions()).search(queries, K)
    before = _resident()
    index = find_kind(kind).load(vectors, np.arange(len(vectors)), folder, width, 0)
    index.search(queries[:200], K)
    memory = (_resident() - before) / vectors.nbytes
    if index.points != len(index):
        raise RuntimeError(f"The saved {kind} index holds {index.points:,} of {len(index):,} vectors.")
    return {
        "recall": Probe.of(index, queries, exclude_self=False).recall(index),
        "batch_rate": len(queries) / _fastest(lambda: index.search(queries, K)),
        "single_rate": SINGLE / _fastest(lambda: [index.search(query[None], K) for query in queries[:SINGLE]]),
        "memory_ratio": memory,
    }


def _fastest(work: Callable[[], object]) -> float:
    work()
    return min(_timed(work) for _ in range(REPEATS))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _resident() -> int:
    """Bytes of this process in memory, mapped files that were read included."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize()
