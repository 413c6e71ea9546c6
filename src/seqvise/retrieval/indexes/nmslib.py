"""An index by nmslib's graph of neighbours."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqvise.retrieval.indexes.base import WIDTH, Ids, Neighbours, completed, quieten, threads_of
from seqvise.retrieval.indexes.nearest import Places, Rows, checked_queries
from seqvise.retrieval.options import GraphOptions

FILE = "index.nmslib"
Answer = tuple[NDArray[np.int32], NDArray[np.float32]]


class NmslibIndex:
    """HNSW over unit vectors in the space of squared distances, which ranks as angles do. See ``Index``.

    The graph's file holds the vectors too. A graph that was just built keeps them twice in memory.

    Args:
        file: where the graph was loaded from; None for a graph that was built here.
        points: vectors that the graph holds.
    """

    def __init__(
        self, graph: Any, vectors: Rows, ids: Ids, width: int, threads: int, points: int, file: Path | None = None
    ) -> None:
        self._graph, self._told, self._threads, self._file = graph, 0, threads_of(threads), file
        self.vectors, self.ids, self.width, self.points = vectors, ids, width, points

    @classmethod
    def build(cls, vectors: Rows, ids: Ids, options: GraphOptions) -> Self:
        """Links the vectors: minutes for some hundred thousands."""
        graph = _empty()
        graph.addDataPointBatch(vectors)
        links = {"M": options.links, "efConstruction": options.build, "indexThreadQty": threads_of(options.threads)}
        graph.createIndex(links)
        return cls(graph, vectors, ids, WIDTH, options.threads, len(graph))

    @classmethod
    def load(cls, vectors: Rows, ids: Ids, folder: Path, width: int, threads: int) -> Self:
        """Reads the graph; nmslib forgets its search options when it is saved, so they are set again."""
        graph, file = _empty(), folder / FILE
        graph.loadIndex(str(file), load_data=False)
        return cls(graph, vectors, ids, width, threads, _stored_points(file), file)

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, queries: ArrayLike, k: int) -> Neighbours:
        """The nearest vectors of each query, nearly always. See ``Index.search``."""
        asked, count = checked_queries(queries, self.vectors.shape[1], k, len(self))
        self._keep(max(self.width, count))
        if len(asked) == 1:
            answers = [self._graph.knnQuery(asked[0], count)]
        else:
            answers = self._graph.knnQueryBatch(asked, count, num_threads=self._threads)
        return completed(asked, self.vectors, self.ids, *_table(answers, count))

    def save(self, folder: Path) -> None:
        """Writes the graph. A loaded one is copied: nmslib writes an empty file for it, as it lacks the vectors."""
        if self._file is None:
            self._graph.saveIndex(str(folder / FILE), save_data=False)
        else:
            shutil.copyfile(self._file, folder / FILE)

    def _keep(self, candidates: int) -> None:
        # With fewer candidates than answers nmslib gives fewer answers.
        if candidates != self._told:
            self._graph.setQueryTimeParams({"efSearch": candidates})
            self._told = candidates


def _empty() -> Any:
    quieten("nmslib")
    import nmslib

    return nmslib.init(method="hnsw", space="l2", data_type=nmslib.DataType.DENSE_VECTOR, dtype=nmslib.DistType.FLOAT)


def _stored_points(file: Path) -> int:
    """How many vectors the graph in a file holds: the second number of its header, which nmslib does not offer.

    See ``Hnsw::SaveOptimizedIndex`` in nmslib's ``similarity_search/src/method/hnsw.cc``.
    """
    return int(np.fromfile(file, np.uint32, 2)[1])


def _table(answers: Sequence[Answer], k: int) -> tuple[Places, Rows]:
    """Places and squared distances, (Q, k), -1 and 0 where an answer has fewer than ``k``."""
    if all(len(places) == k for places, _ in answers) and answers:
        return np.stack([places for places, _ in answers]).astype(np.int64), np.stack([far for _, far in answers])
    places, squared = np.full((len(answers), k), -1), np.zeros((len(answers), k), np.float32)
    for row, (found, far) in enumerate(answers):
        places[row, : len(found)], squared[row, : len(far)] = found, far
    return places, squared
