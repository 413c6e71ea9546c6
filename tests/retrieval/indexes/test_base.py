"""All kinds of indexes: correct results, refused queries, adding and removing vectors, saving and loading."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.errors import UserError
from seqvise.retrieval.indexes.base import Index, find_kind
from seqvise.retrieval.indexes.exact import ExactIndex
from seqvise.retrieval.indexes.recall import Probe, sample, tune
from seqvise.retrieval.options import KINDS, PACKAGES, GraphOptions, chosen_kind, index_problems
from tests.retrieval.vectors import clustered

ONE_THREAD = GraphOptions(threads=1)


def built(kind: str, count: int = 300, dim: int = 16) -> Index:
    """An index of clustered vectors whose ids are ten times their rows."""
    if kind in PACKAGES:
        pytest.importorskip(PACKAGES[kind][0])
    return find_kind(kind).build(clustered(count, dim, 12), 10 * np.arange(count), ONE_THREAD)


def plain(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(Q, N) angles by the definition, in double precision."""
    queries, vectors = queries.astype(np.float64), vectors.astype(np.float64)
    cosines = queries @ vectors.T / np.linalg.norm(queries, axis=1)[:, None] / np.linalg.norm(vectors, axis=1)
    return np.asarray(np.arccos(np.clip(cosines, -1, 1)))


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_ids_and_angles_nearest_first(kind: str) -> None:
    index = built(kind)
    queries = 7 * clustered(20, 16, 12, seed=1)
    neighbours = index.search(queries, 5)
    expected = plain(queries, index.vectors)
    assert neighbours.ids.shape == neighbours.angles.shape == (20, 5)
    np.testing.assert_array_equal(neighbours.ids, 10 * np.argsort(expected, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(neighbours.angles, np.sort(expected, axis=1)[:, :5], atol=2e-4)
    np.testing.assert_allclose(neighbours.cosines, np.cos(np.sort(expected, axis=1)[:, :5]), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_query_has_the_same_results_as_in_a_batch(kind: str) -> None:
    index = built(kind)
    queries = clustered(9, 16, 12, seed=2)
    together = index.search(queries, 4)
    for row, query in enumerate(queries):
        np.testing.assert_array_equal(index.search(query[None], 4).ids[0], together.ids[row])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_k_above_the_number_of_vectors_returns_all_of_them(kind: str, count: int) -> None:
    index = built(kind, count)
    neighbours = index.search(index.vectors[:1], 50)
    assert sorted(neighbours.ids[0].tolist()) == (10 * np.arange(count)).tolist()
    assert neighbours.angles[0, 0] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_many_vectors_can_be_requested(kind: str) -> None:
    index = built(kind)
    for k in (299, 300, 1000):
        neighbours = index.search(index.vectors[:2], k)
        assert neighbours.ids.shape == (2, min(k, 300))
        assert len(set(neighbours.ids[0].tolist())) == min(k, 300)
        assert (np.diff(neighbours.angles, axis=1) >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_small_angles_are_not_lost_to_rounding(kind: str) -> None:
    """The cosine of 1e-4 is 1 - 5e-9, which is 1 in float32."""
    index = built(kind)
    turned = index.vectors[3].astype(np.float64)
    other = np.linalg.svd(turned[None])[2][-1]
    neighbours = index.search((np.cos(1e-4) * turned + np.sin(1e-4) * other)[None], 1)
    assert neighbours.ids[0, 0] == 30
    assert neighbours.angles[0, 0] == pytest.approx(1e-4, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (np.full((1, 16), np.nan), "The vector of query 1 holds a number that is not finite"),
        (np.array([[1.0] * 16, [np.inf] * 16]), "The vector of query 2 holds a number that is not finite"),
        (np.ones((1, 15)), "A query has 15 dimensions, but the vectors of the index have 16."),
        (np.zeros((1, 16)), "The vector of query 1 holds zeros only"),
        (np.ones(16), r"shape \(16,\)"),
    ],
)
def test_queries_without_direction_are_refused(kind: str, query: np.ndarray, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        built(kind, 20).search(query, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_k_below_one_is_refused(kind: str) -> None:
    with pytest.raises(UserError, match="k is 0, but must be at least 1"):
        built(kind, 20).search(np.ones((1, 16)), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_index_answers_as_before(kind: str, tmp_path: Path) -> None:
    index = built(kind)
    index.width = 48
    queries = clustered(30, 16, 12, seed=3)
    before = index.search(queries, 6)
    index.save(tmp_path)
    again = find_kind(kind).load(index.vectors, index.ids, tmp_path, index.width, 1)
    after = again.search(queries, 6)
    assert again.width == 48 if kind != "exact" else again.width == 0
    np.testing.assert_array_equal(after.ids, before.ids)
    np.testing.assert_allclose(after.angles, before.angles, atol=1e-6)


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_loaded_graph_is_searched_and_can_be_saved_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = built(kind)
    queries = clustered(30, 16, 12, seed=3)
    expected = index.search(queries, 6)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        index.save(tmp_path / name)
        index = find_kind(kind).load(index.vectors, index.ids, tmp_path / name, index.width, 1)
        assert index.points == 300
    monkeypatch.setattr(
        "seqvise.retrieval.indexes.base.nearest_rows", lambda *_: pytest.fail("the exact scan answered")
    )
    np.testing.assert_array_equal(index.search(queries, 6).ids, expected.ids)
    np.testing.assert_array_equal(index.search(queries[:1], 6).ids, expected.ids[:1])


def test_exact_scans_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    from seqvise.retrieval.indexes import base as graph

    graph._log_exact_scan.cache_clear()
    vectors = np.eye(3, dtype=np.float32)
    rows, squared = np.array([[2, -1], [0, 1]]), np.array([[0, 0], [0, 2]], np.float32)
    queries = np.array([[0.6, 0.8, 0], [1, 0, 0]], np.float32)
    for _ in range(2):
        answers = graph.complete_neighbours(queries, vectors, np.arange(3), rows, squared)
        assert answers.ids.tolist() == [[1, 0], [0, 1]]
    assert caplog.messages == [
        "The graph of the index returns fewer than k=2 results for some queries: these are compared with all 3 "
        "vectors, which takes longer."
    ]
    graph.complete_neighbours(queries[1:], vectors, np.arange(3), rows[1:], squared[1:])
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_a_vector_are_all_found(kind: str) -> None:
    if kind in PACKAGES:
        pytest.importorskip(PACKAGES[kind][0])
    vectors = np.repeat(clustered(10, 8, 3), 5, axis=0)
    index = find_kind(kind).build(vectors, np.arange(50), ONE_THREAD)
    neighbours = index.search(vectors[20:21], 5)
    assert sorted(neighbours.ids[0].tolist()) == [20, 21, 22, 23, 24]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**31), st.integers(1, 40))
def test_results_do_not_depend_on_the_block_size(count: int, query_count: int, k: int, seed: int, block: int) -> None:
    from seqvise.retrieval.indexes import nearest

    rng = np.random.default_rng(seed)
    table, queries = (rng.normal(size=(rows, 6)).astype(np.float32) for rows in (count, query_count))
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    k = min(k, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "ROWS", block)
        patch.setattr(nearest, "QUERIES", 4)
        nearest_rows, angles = nearest.nearest_rows(queries, table, k)
    expected = plain(queries, table)
    np.testing.assert_allclose(angles, np.sort(expected, axis=1)[:, :k], atol=1e-3)
    np.testing.assert_allclose(np.take_along_axis(expected, nearest_rows, axis=1), angles, atol=1e-3)
    assert all(len(set(row)) == k for row in nearest_rows.tolist())


def test_ties_are_sorted_by_row() -> None:
    index = ExactIndex(np.array([[0, 1], [1, 0], [0, -1], [1, 0]], np.float32), np.arange(4))
    assert index.search(np.array([[1, 0]]), 4).ids[0].tolist() == [1, 3, 0, 2]


def test_added_vectors_are_found_and_removed_ones_are_not() -> None:
    vectors = clustered(60, 8, 6)
    index = ExactIndex(vectors[:40], np.arange(40))
    assert index.add(3 * vectors[40:]).tolist() == list(range(40, 60))
    index.remove([0, 41, 59])
    kept = [row for row in range(60) if row not in (0, 41, 59)]
    fresh = ExactIndex(vectors[kept], np.array(kept))
    queries = clustered(15, 8, 6, seed=1)
    np.testing.assert_array_equal(index.search(queries, 9).ids, fresh.search(queries, 9).ids)
    assert index.ids.tolist() == kept
    assert index.add(vectors[:1]).tolist() == [59]


def test_adding_does_not_change_the_original_table(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", clustered(5, 4, 2))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    index = ExactIndex(mapped, np.arange(5))
    index.add(np.ones((1, 4)))
    assert len(index) == 6
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), index.vectors[:5])


def test_missing_vectors_cannot_be_removed() -> None:
    index = ExactIndex(clustered(5, 4, 2), np.arange(5))
    with pytest.raises(UserError, match="no vector 7"):
        index.remove([1, 7])
    assert len(index) == 5


def test_an_emptied_index_has_no_results_and_can_be_filled_again() -> None:
    index = ExactIndex(clustered(2, 4, 2), np.arange(2))
    index.remove([0, 1])
    assert index.search(np.ones((3, 4)), 5).ids.shape == (3, 0)
    index.add(np.ones((1, 4)))
    assert index.search(np.ones((1, 4)), 5).ids.tolist() == [[0]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 5), st.lists(st.integers(0, 30), max_size=4)), max_size=12))
def test_any_series_of_changes_equals_a_fresh_index(changes: list[int | list[int]]) -> None:
    rng = np.random.default_rng(0)
    index = ExactIndex(np.empty((0, 3), np.float32), np.empty(0, np.int64))
    mirror: dict[int, np.ndarray] = {}
    for change in changes:
        if isinstance(change, int):
            rows = rng.normal(size=(change, 3))
            mirror |= zip(index.add(rows).tolist(), rows, strict=True)
        else:
            gone = [vector_id for vector_id in set(change) if vector_id in mirror]
            index.remove(gone)
            for vector_id in gone:
                del mirror[vector_id]
    assert index.ids.tolist() == sorted(mirror)
    if mirror:
        query = np.ones((1, 3))
        angles = plain(query, np.array([mirror[vector_id] for vector_id in sorted(mirror)]))[0]
        neighbours = index.search(query, len(mirror))
        np.testing.assert_allclose(neighbours.angles[0], np.sort(angles), atol=1e-3)


def test_recall_counts_results_other_than_the_query_itself() -> None:
    class Half:
        """Finds every second of the nearest vectors."""

        width = 0

        def __init__(self, exact: ExactIndex) -> None:
            self.exact, self.ids, self.vectors = exact, exact.ids, exact.vectors

        def __len__(self) -> int:
            return len(self.exact)

        def search(self, queries: np.ndarray, k: int) -> object:
            neighbours = self.exact.search(queries, len(self))
            return type(neighbours)(neighbours.ids[:, ::2][:, :k], neighbours.angles[:, ::2][:, :k])

        def save(self, folder: Path) -> None: ...

    vectors = clustered(200, 8, 5)
    half = Half(ExactIndex(vectors, np.arange(200)))
    probe = Probe.of(half, vectors[:30], exclude_self=True)  # type: ignore[arg-type]
    assert probe.recall(half) == pytest.approx(0.5)  # type: ignore[arg-type]  # of 2, 4, ... 20 five are up to 10
    other = Probe.of(half, clustered(30, 8, 5, seed=4), exclude_self=False)  # type: ignore[arg-type]
    assert other.recall(half) == pytest.approx(0.5)  # type: ignore[arg-type]  # of 0, 2, ... 18


@pytest.mark.parametrize("kind", ["nmslib", "faiss"])
def test_tuning_chooses_the_smallest_sufficient_width(kind: str) -> None:
    index = built(kind, 2000)
    probe = Probe.of(index, sample(index.vectors, 100), exclude_self=True)
    (recall,) = tune(index, [probe], 0.95)
    chosen = index.width
    assert recall >= 0.95
    assert probe.recall(index) == recall
    tune(index, [probe], 0.0)
    assert index.width == 16 <= chosen


def test_the_default_kind_depends_on_size_and_on_installed_packages(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert chosen_kind("auto", 99_999) == "exact"
    assert chosen_kind("faiss", 3) == "faiss"
    monkeypatch.setitem(PACKAGES, "nmslib", ("no_such_module", "nmslib"))
    monkeypatch.setitem(PACKAGES, "faiss", ("no_such_module", "faiss-cpu"))
    assert chosen_kind("exact", 200_000) == "exact"
    assert not caplog.messages
    assert chosen_kind("auto", 200_000) == "exact"
    assert caplog.messages == [
        "index=auto is exact although there are 200,000 vectors, because neither nmslib nor faiss is installed: a "
        "search compares with all of them. For a faster search: `pip install 'seqvise[search]'`."
    ]
    assert list(index_problems("nmslib")) == [
        "index=nmslib needs nmslib, which is not installed: `pip install 'seqvise[search]'`, or use index=exact."
    ]
    assert list(index_problems("annoy")) == [
        "index is 'annoy', but must be one of auto, exact, nmslib, faiss, or the dotted path of a class of your own."
    ]


def test_nothing_heavy_is_imported_for_the_exact_index() -> None:
    watched = "{'torch', 'nmslib', 'faiss', 'PIL'}"
    modules = "seqvise.retrieval.indexes.exact, seqvise.retrieval.image_index"
    code = f"import sys, {modules}; print(sorted({watched} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
