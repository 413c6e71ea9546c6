"""Which steps of training a validation has measured."""

from __future__ import annotations

import pytest

from seqvise.callbacks.checkpoints import BestMetrics


@pytest.mark.parametrize(
    ("metrics", "validated", "sentence"),
    [
        ({"val/loss": 1.0}, 7, None),
        ({"val/loss": 1.0}, 5, "after 7 steps, and the last validation after 5"),
        ({}, None, "after 7 steps, before the first validation"),
        ({"val/loss": 1.0}, None, None),  # of an earlier revision, which did not record the step
    ],
)
def test_steps_after_the_last_validation(
    metrics: dict[str, float], validated: int | None, sentence: str | None
) -> None:
    best = BestMetrics("val/loss", "min")
    best.load_state_dict({"metrics": metrics, "validated": validated} if validated else {"metrics": metrics})
    message = best.unvalidated_steps_message(7)
    assert (message is None) if sentence is None else sentence in str(message)
    assert best.state_dict() == {"metrics": metrics, "validated": validated}
