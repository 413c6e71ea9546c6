"""Scheduled sampling predicts only the tokens that are used as inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from seqvise.models.recurrent.decoder_inputs import ScheduledSampling

REFERENCES = torch.tensor([[0, 5, 6], [0, 7, 8], [0, 9, 10]])
FORCED = torch.tensor([[False, True, False], [False, True, False], [False, False, False]])


def test_inputs_are_references_or_predictions() -> None:
    requested: list[list[float]] = []

    def pick(outputs: Tensor) -> Tensor:
        requested.append(outputs[:, 0].tolist())
        return (outputs[:, 0] * 100).long()

    sampling = ScheduledSampling(REFERENCES, FORCED, pick)
    outputs = torch.tensor([[1.0], [2.0], [3.0]])
    assert [sampling.has_predictions(step) for step in range(3)] == [False, True, True]
    assert sampling(1, outputs).tolist() == [5, 7, 300]
    assert sampling(2, outputs).tolist() == [100, 200, 300]
    assert requested[0][0] == 3.0, "the row that needs a prediction comes first, then the rows that fill up the shape"
    assert requested[1] == [1.0, 2.0, 3.0]


def test_all_forced_needs_no_prediction() -> None:
    sampling = ScheduledSampling(REFERENCES, None, lambda outputs: outputs.argmax(1))
    assert [sampling.has_predictions(step) for step in range(3)] == [False, False, False]
