"""Both sides of the language model's benchmark train alike."""

from __future__ import annotations

import pytest

from benchmarks.language_model import Size, measure


def test_losses_are_equal_before_and_behind_a_step() -> None:
    found = measure("tiny", Size(words=60, embedding=8, hidden=12, layers=3, columns=4), 2, "fp32")
    assert found["loss"] == pytest.approx(found["plain_loss"], rel=1e-5)
    assert found["second_loss"] == pytest.approx(found["plain_second_loss"], rel=1e-5)
    assert found["second_loss"] != found["loss"]
    assert float(found["ratio"]) > 0
