"""Approximate index with faiss's HNSW graph."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Self

from numpy.typing import ArrayLike

from seqvise.retrieval.indexes.base import WIDTH, Ids, Neighbours, complete_neighbours, quieten, thread_count
from seqvise.retrieval.indexes.nearest import Rows, checked_queries
from seqvise.retrieval.options import GraphOptions

FILE = "index.faiss"


class FaissIndex:
    """HNSW over unit vectors by squared distance, which ranks like the angle. See ``Index``."""

    def __init__(self, graph: Any, vectors: Rows, ids: Ids, width: int, threads: int) -> None:
        self._graph, self._threads = graph, thread_count(threads)
        self.vectors, self.ids, self.width = vectors, ids, width

    @classmethod
    def build(cls, vectors: Rows, ids: Ids, options: GraphOptions) -> Self:
        """Builds the graph, which takes minutes for some hundred thousand vectors."""
        faiss = _faiss()
        faiss.omp_set_num_threads(thread_count(options.threads))
        graph = faiss.IndexHNSWFlat(vectors.shape[1], options.links)
        graph.hnsw.efConstruction = options.build
        graph.add(vectors)
        return cls(graph, vectors, ids, WIDTH, options.threads)

    @classmethod
    def load(cls, vectors: Rows, ids: Ids, folder: Path, width: int, threads: int) -> Self:
        """Loads the graph."""
        return cls(_faiss().read_index(str(folder / FILE)), vectors, ids, width, threads)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def points(self) -> int:
        """Number of vectors in the graph."""
        return int(self._graph.ntotal)

    def search(self, queries: ArrayLike, k: int) -> Neighbours:
        """The approximate nearest vectors of each query. See ``Index.search``."""
        faiss = _faiss()
        unit_queries, count = checked_queries(queries, self.vectors.shape[1], k, len(self))
        faiss.omp_set_num_threads(self._threads)
        options = faiss.SearchParametersHNSW(efSearch=max(self.width, count))
        squared, rows = self._graph.search(unit_queries, count, params=options)
        return complete_neighbours(unit_queries, self.vectors, self.ids, rows, squared)

    def save(self, folder: Path) -> None:
        """Writes the graph."""
        _faiss().write_index(self._graph, str(folder / FILE))


def _faiss() -> Any:
    """The package, untyped because its stubs lack the functions used here."""
    quieten("faiss")
    return import_module("faiss")
