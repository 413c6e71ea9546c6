from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqvise.corpus.parallel.duplicates import ExactSeenPairs, RecentSeenPairs, SeenPairs, pair_keys

BATCHES = st.lists(st.lists(st.integers(-20, 20).filter(bool), max_size=9), max_size=12)


def first_occurrences(batches: list[list[int]]) -> list[list[bool]]:
    seen: set[int] = set()
    return [[is_new(key, seen) for key in batch] for batch in batches]


def is_new(key: int, seen: set[int]) -> bool:
    before = len(seen)
    seen.add(key)
    return len(seen) > before


@given(BATCHES, st.booleans())
def test_first_occurrences_are_those_of_a_set(batches: list[list[int]], exact: bool) -> None:
    seen: SeenPairs = ExactSeenPairs() if exact else RecentSeenPairs(64)
    is_first = [seen.add(np.array(batch, np.int64)).tolist() for batch in batches]
    assert is_first == first_occurrences(batches)


def test_runs_are_sorted_and_few() -> None:
    seen = ExactSeenPairs()
    for start in range(0, 64_000, 1000):
        assert seen.add(np.arange(start + 1000, start, -1)).all()
    sizes = [len(run) for run in seen._runs]
    assert sum(sizes) == 64_000
    assert all(longer >= 2 * shorter for longer, shorter in pairwise(sizes))
    assert all((np.diff(run) > 0).all() for run in seen._runs)


def test_old_pairs_are_forgotten_and_no_new_pair_is_dropped() -> None:
    seen = RecentSeenPairs(8)
    assert seen.add(np.arange(1, 9)).all()
    assert not seen.add(np.arange(1, 9)).any()
    assert seen.add(np.arange(9, 17)).all()
    assert seen.add(np.arange(1, 9)).all()


def test_keys_are_of_the_pair_and_its_order() -> None:
    keys = pair_keys(["a", "b", "a", "ab", "a"], ["b", "a", "b", "", "c"])
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 4
