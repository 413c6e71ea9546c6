import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqvise.corpus.parallel.report import length_percentile, length_percentiles


@given(st.lists(st.integers(0, 60), min_size=1), st.floats(0, 100))
def test_percentiles_of_counts_are_those_of_the_lengths(lengths: list[int], percentile: float) -> None:
    assert length_percentile(np.bincount(lengths), percentile) == int(np.percentile(lengths, percentile))


def test_the_usual_percentiles() -> None:
    assert length_percentiles(np.bincount(range(1, 102))) == {50: 51, 90: 91, 95: 96, 97: 98, 99: 100, 100: 101}
