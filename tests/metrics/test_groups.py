"""Groups of sentences by ranges of a number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.metrics.groups import LENGTHS, UNKNOWNS, group_by_range


def test_groups_by_hand() -> None:
    groups = group_by_range(np.array([3, 0, 10, 6, 101, 5, 500, 11]), LENGTHS)
    assert [(group.label, group.members.tolist()) for group in groups] == [
        ("0", [1]),
        ("1-5", [0, 5]),
        ("6-10", [2, 3]),
        ("11-15", [7]),
        ("101+", [4, 6]),
    ]


@pytest.mark.parametrize("starts", [LENGTHS, UNKNOWNS])
@given(values=st.lists(st.integers(0, 150), min_size=1))
def test_every_sentence_is_in_the_range_of_its_number(starts: tuple[int, ...], values: list[int]) -> None:
    groups = group_by_range(np.array(values), starts)
    assert sorted(row for group in groups for row in group.members.tolist()) == list(range(len(values)))
    for label, members in groups:
        low, _, high = label.rstrip("+").partition("-")
        maximum = 10**9 if label.endswith("+") else int(high or low)
        assert all(int(low) <= values[row] <= maximum for row in members)
        assert len(members)
