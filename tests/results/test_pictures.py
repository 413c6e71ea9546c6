"""Labels of lines do not overlap; alternative text describes the figure."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.pictures import alternative, curves_figure, drawable, spread_out

from .runs import record

GAP = 0.1


def test_a_close_pair_is_moved_apart_evenly() -> None:
    assert spread_out([0.5, 0.9, 0.52], GAP) == pytest.approx([0.46, 0.9, 0.56])


@given(st.lists(st.floats(0, 1), max_size=9))
def test_positions_are_apart_inside_and_in_order(positions: list[float]) -> None:
    moved = spread_out(positions, GAP)
    ranked = [moved[index] for index in sorted(range(len(positions)), key=lambda index: positions[index])]
    assert all(above - below >= GAP - 1e-9 for below, above in pairwise(ranked))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in moved)


def test_positions_that_are_apart_are_unchanged() -> None:
    assert spread_out([0.9, 0.1, 0.4], GAP) == pytest.approx([0.9, 0.1, 0.4])


def test_alternative_text_contains_the_last_values() -> None:
    text = alternative("tatoeba", [record("a", 6.512345, 3), record("b", 2, 3)])
    assert "a 6.512 val/bleu, 4 val/loss_free; b 2 val/bleu, 4 val/loss_free." in text


def test_a_language_model_has_different_panels() -> None:
    curves: dict[str, list[float]] = {"epoch": [1, 2], "val/loss": [5.0, 4.5], "val/accuracy": [0.2, 0.25]}
    runs = [record("lm", 0, 0, curves=curves), record("other", 0, 0, curves={})]
    assert drawable(runs) == runs[:1]
    assert "lm 0.25 val/accuracy, 4.5 val/loss" in alternative("ptb", runs[:1])
    assert len(curves_figure("ptb", runs[:1]).axes) == 2


def test_each_line_has_a_label_at_its_end() -> None:
    figure = curves_figure("tatoeba", [record("a", 2, 3), record("b", 9, 3)])
    top, bottom = figure.axes
    assert [text.get_text() for text in top.texts] == ["a", "b"]
    assert [np.asarray(line.get_ydata()).tolist() for line in top.lines] == [[1, 2], [1, 9]]
    assert (top.get_ylabel(), bottom.get_xlabel()) == ("val/bleu\n(higher is better)", "epoch")


def test_a_long_name_is_truncated() -> None:
    figure = curves_figure("tatoeba", [record("a", 2, 3, overrides=["model.dropout.residual=0.2"] * 9)])
    (label,) = figure.axes[0].texts
    assert label.get_text() == "a model.dropout.residual=0.2 model.…"


def test_large_first_losses_are_cut_off() -> None:
    losses: list[float | None] = [60.0, 5.0, 4.5, 4.2, 4.1, 4.0]
    curves = {"epoch": [float(n) for n in range(1, 7)], "val/loss_free": losses}
    low, high = curves_figure("x", [record("a", 1, 2, curves=curves)]).axes[1].get_ylim()
    assert (low, high) == pytest.approx((3.94, 5.06))
