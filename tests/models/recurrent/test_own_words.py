"""Only words that are read are asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from seqvise.models.recurrent.scheduled_sampling import ScheduledSampling

WORDS = torch.tensor([[0, 5, 6], [0, 7, 8], [0, 9, 10]])
FORCED = torch.tensor([[False, True, False], [False, True, False], [False, False, False]])


def test_rows_read_the_reference_or_what_was_picked() -> None:
    asked: list[list[float]] = []

    def pick(outputs: Tensor) -> Tensor:
        asked.append(outputs[:, 0].tolist())
        return (outputs[:, 0] * 100).long()

    own = ScheduledSampling(WORDS, FORCED, pick)
    outputs = torch.tensor([[1.0], [2.0], [3.0]])
    assert [own.said_at(step) for step in range(3)] == [False, True, True]
    assert own(1, outputs).tolist() == [5, 7, 300]
    assert own(2, outputs).tolist() == [100, 200, 300]
    assert asked[0][0] == 3.0, "the row that reads its own word comes first, and what rounds up the shape is left out"
    assert asked[1] == [1.0, 2.0, 3.0]


def test_all_forced_asks_for_nothing() -> None:
    own = ScheduledSampling(WORDS, None, lambda outputs: outputs.argmax(1))
    assert [own.said_at(step) for step in range(3)] == [False, False, False]
