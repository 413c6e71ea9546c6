from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqvise.corpus.parallel.duplicates import EveryPair, RecentPairs, Seen, pair_keys

BATCHES = st.lists(st.lists(st.integers(-20, 20).filter(bool), max_size=9), max_size=12)


def plainly(batches: list[list[int]]) -> list[list[bool]]:
    seen: set[int] = set()
    return [[is_new(key, seen) for key in batch] for batch in batches]


def is_new(key: int, seen: set[int]) -> bool:
    before = len(seen)
    seen.add(key)
    return len(seen) > before


@given(BATCHES, st.booleans())
def test_the_first_of_each_key_is_told_as_a_set_tells_it(batches: list[list[int]], exact: bool) -> None:
    seen: Seen = EveryPair() if exact else RecentPairs(64)
    found = [seen.first(np.array(batch, np.int64)).tolist() for batch in batches]
    assert found == plainly(batches)


def test_runs_are_sorted_and_few() -> None:
    seen = EveryPair()
    for start in range(0, 64_000, 1000):
        assert seen.first(np.arange(start + 1000, start, -1)).all()
    sizes = [len(run) for run in seen._runs]
    assert sum(sizes) == 64_000
    assert all(longer >= 2 * shorter for longer, shorter in pairwise(sizes))
    assert all((np.diff(run) > 0).all() for run in seen._runs)


def test_what_is_long_past_is_forgotten_and_nothing_new_is_taken_for_known() -> None:
    seen = RecentPairs(8)
    assert seen.first(np.arange(1, 9)).all()
    assert not seen.first(np.arange(1, 9)).any()
    assert seen.first(np.arange(9, 17)).all()
    assert seen.first(np.arange(1, 9)).all()


def test_keys_are_of_the_pair_and_its_order() -> None:
    keys = pair_keys(["a", "b", "a", "ab", "a"], ["b", "a", "b", "", "c"])
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 4
