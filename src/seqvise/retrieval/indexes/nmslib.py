"""Approximate index with nmslib's HNSW graph."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqvise.progress_bar import filtered_stderr
from seqvise.retrieval.indexes.base import WIDTH, Ids, Neighbours, complete_neighbours, quieten, thread_count
from seqvise.retrieval.indexes.nearest import RowIndices, Rows, checked_queries
from seqvise.retrieval.options import GraphOptions

FILE = "index.nmslib"
ADVICE = ("Your CPU supports instructions", "For maximum performance, you can", "pip install --no-binary")
"""Beginnings of the lines that nmslib's wheel writes when it is imported."""
GraphAnswer = tuple[NDArray[np.int32], NDArray[np.float32]]


class NmslibIndex:
    """HNSW over unit vectors by squared distance, which ranks like the angle. See ``Index``.

    The graph's file contains the vectors, too. A newly built graph keeps a second copy of them in memory.

    Args:
        file: the file from which the graph was loaded; None for a newly built graph.
        points: number of vectors in the graph.
    """

    def __init__(
        self, graph: Any, vectors: Rows, ids: Ids, width: int, threads: int, points: int, file: Path | None = None
    ) -> None:
        self._graph, self._ef_search, self._threads, self._file = graph, 0, thread_count(threads), file
        self.vectors, self.ids, self.width, self.points = vectors, ids, width, points

    @classmethod
    def build(cls, vectors: Rows, ids: Ids, options: GraphOptions) -> Self:
        """Builds the graph, which takes minutes for some hundred thousand vectors."""
        graph = _new_graph()
        graph.addDataPointBatch(vectors)
        links = {"M": options.links, "efConstruction": options.build, "indexThreadQty": thread_count(options.threads)}
        graph.createIndex(links)
        return cls(graph, vectors, ids, WIDTH, options.threads, len(graph))

    @classmethod
    def load(cls, vectors: Rows, ids: Ids, folder: Path, width: int, threads: int) -> Self:
        """Loads the graph; nmslib does not save its search options, so they are set again."""
        graph, file = _new_graph(), folder / FILE
        graph.loadIndex(str(file), load_data=False)
        return cls(graph, vectors, ids, width, threads, _stored_points(file), file)

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, queries: ArrayLike, k: int) -> Neighbours:
        """The approximate nearest vectors of each query. See ``Index.search``."""
        unit_queries, count = checked_queries(queries, self.vectors.shape[1], k, len(self))
        self._set_ef_search(max(self.width, count))
        if len(unit_queries) == 1:
            answers = [self._graph.knnQuery(unit_queries[0], count)]
        else:
            answers = self._graph.knnQueryBatch(unit_queries, count, num_threads=self._threads)
        return complete_neighbours(unit_queries, self.vectors, self.ids, *_padded_answers(answers, count))

    def save(self, folder: Path) -> None:
        """Writes the graph. A loaded graph's file is copied: nmslib would write an empty file without the vectors."""
        if self._file is None:
            self._graph.saveIndex(str(folder / FILE), save_data=False)
        else:
            shutil.copyfile(self._file, folder / FILE)

    def _set_ef_search(self, candidates: int) -> None:
        # nmslib returns no more results than candidates.
        if candidates != self._ef_search:
            self._graph.setQueryTimeParams({"efSearch": candidates})
            self._ef_search = candidates


def _new_graph() -> Any:
    quieten("nmslib")
    with filtered_stderr(lambda line: line.startswith(ADVICE)):
        import nmslib

    return nmslib.init(method="hnsw", space="l2", data_type=nmslib.DataType.DENSE_VECTOR, dtype=nmslib.DistType.FLOAT)


def _stored_points(file: Path) -> int:
    """Number of vectors in a graph file: the second number of its header, which nmslib's API does not expose.

    See ``Hnsw::SaveOptimizedIndex`` in nmslib's ``similarity_search/src/method/hnsw.cc``.
    """
    return int(np.fromfile(file, np.uint32, 2)[1])


def _padded_answers(answers: Sequence[GraphAnswer], k: int) -> tuple[RowIndices, Rows]:
    """Rows and squared distances, (Q, k), padded with -1 and 0 where an answer has fewer than ``k`` results."""
    if all(len(rows) == k for rows, _ in answers) and answers:
        return np.stack([rows for rows, _ in answers]).astype(np.int64), np.stack(
            [answer_squared for _, answer_squared in answers]
        )
    rows, squared = np.full((len(answers), k), -1), np.zeros((len(answers), k), np.float32)
    for number, (answer_rows, answer_squared) in enumerate(answers):
        rows[number, : len(answer_rows)], squared[number, : len(answer_squared)] = answer_rows, answer_squared
    return rows, squared
