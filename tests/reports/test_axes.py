"""Positions of values on an axis."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.figures import literal
from seqvise.reports.axes import Scale, position, round_numbers, short


def test_rates_are_placed_by_their_logarithm() -> None:
    scale = Scale([1e-2, 1e-4, 1e-3])
    assert scale.logarithmic
    assert [scale.place(value) for value in scale.values] == pytest.approx([0.0, 0.5, 1.0])
    assert [label for _, label in scale.ticks()] == ["0.0001", "0.001", "0.01"]


@pytest.mark.parametrize("values", [[0.1, 0.2, 0.4], [0, 1, 10], [-1, 10]])
def test_other_numbers_are_placed_linearly(values: list[float]) -> None:
    scale = Scale(values)
    assert not scale.logarithmic
    assert scale.place(values[1]) == pytest.approx((values[1] - values[0]) / (values[-1] - values[0]))


def test_other_values_are_evenly_spaced() -> None:
    scale = Scale(["rnn", 3, None, "full", "rnn"])
    assert [scale.place(value) for value in (3, "full", None, "rnn")] == [0.0, 1 / 3, 2 / 3, 1.0]


def test_a_single_value_is_in_the_middle() -> None:
    assert (Scale([5]).place(5), Scale(["a"]).place("a"), position(2.0, 2.0, 2.0)) == (0.5, 0.5, 0.5)


def test_many_numbers_have_round_ticks() -> None:
    linear = Scale([1.03 + number / 100 for number in range(100)])
    assert [label for _, label in linear.ticks()] == ["1.2", "1.4", "1.6", "1.8", "2"]
    assert linear.ticks()[0][0] == pytest.approx((1.2 - 1.03) / 0.99)
    rates = Scale([2e-4 * 1.2**number for number in range(20)])
    assert [label for _, label in rates.ticks()] == ["0.0003", "0.001", "0.003"]
    assert [label for _, label in Scale([10.0 ** (number / 2) for number in range(13)]).ticks()][:2] == ["1", "10"]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_there_are_some_round_numbers_and_not_many(low: float, width: float) -> None:
    numbers = round_numbers(low, low + width, logarithmic=False)
    assert 1 <= len(numbers) <= 6
    assert all(low <= number <= low + width for number in numbers)


def test_labels() -> None:
    assert short("seqvise.models.recurrent.model.Seq2Seq") == "…current.model.Seq2Seq"
    assert short("recurrent.Seq2Seq") == "recurrent.Seq2Seq"
    assert literal("a$b") == r"a\$b"
    assert math.isclose(position(10.0, 1.0, 100.0, logarithmic=True), 0.5)


def test_cells_of_a_heat_map_are_values_or_ranges() -> None:
    few = Scale([0.1, 0.2, "x"])
    assert few.cells() == ["0.1", "0.2", "x"]
    assert few.cell("x") == 2
    many = Scale([10.0 ** (number / 2) for number in range(13)])
    assert many.cells() == [
        "1 to 10",
        "10 to 1e+02",
        "1e+02 to 1e+03",
        "1e+03 to 1e+04",
        "1e+04 to 1e+05",
        "1e+05 to 1e+06",
    ]
    assert [many.cell(10.0**size) for size in (0, 0.5, 1.5, 6)] == [0, 0, 1, 5]
    assert Scale([0.0, *range(1, 13)]).cells()[:2] == ["0 to 2", "2 to 4"]
