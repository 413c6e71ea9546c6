"""Synthetic clustered vectors."""

from __future__ import annotations

import numpy as np

from seqvise.retrieval.indexes.nearest import Rows


def clustered(count: int, dim: int, clusters: int, spread: float = 0.6, seed: int = 0) -> Rows:
    """(count, dim) unit vectors around ``clusters`` centres: a mixture of Gaussians on the sphere."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, dim))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[rng.integers(0, clusters, count)] + spread / np.sqrt(dim) * rng.normal(size=(count, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
