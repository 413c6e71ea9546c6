"""Ranges of a number, and who is in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.metrics.groups import LENGTHS, UNKNOWNS, grouped


def test_groups_by_hand() -> None:
    groups = grouped(np.array([3, 0, 10, 6, 101, 5, 500, 11]), LENGTHS)
    assert [(group.label, group.members.tolist()) for group in groups] == [
        ("0", [1]),
        ("1-5", [0, 5]),
        ("6-10", [2, 3]),
        ("11-15", [7]),
        ("101+", [4, 6]),
    ]


@pytest.mark.parametrize("starts", [LENGTHS, UNKNOWNS])
@given(values=st.lists(st.integers(0, 150), min_size=1))
def test_every_sentence_is_in_the_one_range_that_holds_its_number(starts: tuple[int, ...], values: list[int]) -> None:
    groups = grouped(np.array(values), starts)
    assert sorted(place for group in groups for place in group.members.tolist()) == list(range(len(values)))
    for label, members in groups:
        low, _, high = label.rstrip("+").partition("-")
        most = 10**9 if label.endswith("+") else int(high or low)
        assert all(int(low) <= values[place] <= most for place in members)
        assert len(members)
