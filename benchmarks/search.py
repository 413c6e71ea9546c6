"""Approximate and exact search over many vectors with near neighbours, like embeddings.

The vectors are a mixture of Gaussians on the sphere: random unit vectors have no near neighbours. Queries are drawn
from the same mixture and are not in the index. Each kind of index is built and saved in one process, and loaded and
measured in another.
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
TUNING_QUERIES, QUERIES, SINGLE, K = 500, 2000, 200, 10
REPEATS = 3
TARGET_RECALL = 0.96
"""Recall for which the search width is chosen, on different queries than the reported ones."""


def mixture(count: int, seed: int) -> Rows:
    """(count, DIM) unit vectors around 1,000 centres, which do not depend on the seed.

    A vector is its centre plus noise of SPREAD times its length. Two vectors of one cluster have a cosine of about .74.
    """
    centres = np.random.default_rng(0).normal(size=(CLUSTERS, DIM)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    rows = centres[rng.integers(0, CLUSTERS, count)]
    rows += SPREAD / DIM**0.5 * rng.standard_normal((count, DIM), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def measure_search(count: int) -> list[dict[str, Any]]:
    """One row for each installed kind of index, with ratios to the queries per second of the exact one."""
    rows = [alone(measure_kind, kind, count) for kind in KINDS if is_installed(kind)]
    exact = rows[0]
    for row in rows:
        row["batch_ratio"] = row["batch_rate"] / exact["batch_rate"]
        row["single_ratio"] = row["single_rate"] / exact["single_rate"]
    return rows


def measure_kind(kind: str, count: int) -> dict[str, Any]:
    """Seconds to build one kind of index, and the results of ``measure_loaded``."""
    vectors = mixture(count, 1)
    ids = np.arange(count)
    started = time.perf_counter()
    index = find_kind(kind).build(vectors, ids, GraphOptions())
    seconds = time.perf_counter() - started
    if kind != "exact":
        tune(index, [Probe.of(index, mixture(TUNING_QUERIES, 2), exclude_self=False)], TARGET_RECALL)
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
    """Recall@10, queries per second (batched, single), and memory relative to the vectors, of a loaded index."""
    queries = mixture(QUERIES, 3)
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
    """Resident bytes of this process, including mapped files that were read."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize()
