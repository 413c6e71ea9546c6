"""An index by faiss's graph of neighbours."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Self

from numpy.typing import ArrayLike

from seqvise.retrieval.indexes.base import WIDTH, Ids, Neighbours, completed, quieten, threads_of
from seqvise.retrieval.indexes.nearest import Rows, checked_queries
from seqvise.retrieval.options import GraphOptions

FILE = "index.faiss"


class FaissIndex:
    """HNSW over unit vectors by squared distances, which rank as angles do. See ``Index``."""

    def __init__(self, graph: Any, vectors: Rows, ids: Ids, width: int, threads: int) -> None:
        self._graph, self._threads = graph, threads_of(threads)
        self.vectors, self.ids, self.width = vectors, ids, width

    @classmethod
    def build(cls, vectors: Rows, ids: Ids, options: GraphOptions) -> Self:
        """Links the vectors: minutes for some hundred thousands."""
        faiss = _faiss()
        faiss.omp_set_num_threads(threads_of(options.threads))
        graph = faiss.IndexHNSWFlat(vectors.shape[1], options.links)
        graph.hnsw.efConstruction = options.build
        graph.add(vectors)
        return cls(graph, vectors, ids, WIDTH, options.threads)

    @classmethod
    def load(cls, vectors: Rows, ids: Ids, folder: Path, width: int, threads: int) -> Self:
        """Reads the graph."""
        return cls(_faiss().read_index(str(folder / FILE)), vectors, ids, width, threads)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def points(self) -> int:
        """Vectors that the graph holds."""
        return int(self._graph.ntotal)

    def search(self, queries: ArrayLike, k: int) -> Neighbours:
        """The nearest vectors of each query, nearly always. See ``Index.search``."""
        faiss = _faiss()
        asked, count = checked_queries(queries, self.vectors.shape[1], k, len(self))
        faiss.omp_set_num_threads(self._threads)
        options = faiss.SearchParametersHNSW(efSearch=max(self.width, count))
        squared, places = self._graph.search(asked, count, params=options)
        return completed(asked, self.vectors, self.ids, places, squared)

    def save(self, folder: Path) -> None:
        """Writes the graph."""
        _faiss().write_index(self._graph, str(folder / FILE))


def _faiss() -> Any:
    """The package, whose own types lack what is used here."""
    quieten("faiss")
    return import_module("faiss")
