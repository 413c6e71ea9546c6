"""Poolings for the initial decoder state, with values computed by hand."""

from __future__ import annotations

import pytest
import torch

from seqvise.models.recurrent.encoder import POOLINGS

FORWARD = torch.tensor([[[1.0], [-5.0], [3.0]], [[2.0], [9.0], [9.0]]])
BACKWARD = torch.tensor([[[-1.0], [-2.0], [-3.0]], [[-4.0], [9.0], [9.0]]])
LENGTHS = torch.tensor([3, 1])


@pytest.mark.parametrize(
    ("name", "one_way", "both_ways"),
    [
        ("last", [[3], [2]], [[3, -1], [2, -4]]),
        ("mean", [[-1 / 3], [2]], [[-1 / 3, -2], [2, -4]]),
        ("max", [[3], [2]], [[3, -1], [2, -4]]),
        ("concat_pool", [[3, 3, -1 / 3], [2, 2, 2]], [[3, -1, 3, -1, -1 / 3, -2], [2, -4, 2, -4, 2, -4]]),
    ],
)
def test_padding_is_not_pooled(name: str, one_way: list[list[float]], both_ways: list[list[float]]) -> None:
    pool, times = POOLINGS[name]
    torch.testing.assert_close(pool(FORWARD, None, LENGTHS), torch.tensor(one_way, dtype=torch.float32))
    torch.testing.assert_close(pool(FORWARD, BACKWARD, LENGTHS), torch.tensor(both_ways, dtype=torch.float32))
    assert times == len(one_way[0])
