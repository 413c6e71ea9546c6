"""Both models of the language model benchmark train identically."""

from __future__ import annotations

import pytest

from benchmarks.language_model import Size, measure


def test_losses_are_equal_before_and_after_a_step() -> None:
    row = measure("tiny", Size(vocab_size=60, embedding=8, hidden=12, layers=3, columns=4), 2, "fp32")
    assert row["loss"] == pytest.approx(row["plain_loss"], rel=1e-5)
    assert row["second_loss"] == pytest.approx(row["plain_second_loss"], rel=1e-5)
    assert row["second_loss"] != row["loss"]
    assert float(row["ratio"]) > 0
