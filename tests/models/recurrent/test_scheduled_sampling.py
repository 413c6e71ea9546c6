"""Look-ups step by step against the library's embedding."""

from __future__ import annotations

import torch

from seqvise.models.interface import PAD
from seqvise.models.recurrent.scheduled_sampling import StepEmbedding


def test_values_and_gradient_are_those_of_an_embedding() -> None:
    torch.manual_seed(0)
    weight = torch.randn(7, 3, requires_grad=True)
    said = torch.tensor([[4, 5], [PAD, 4], [6, 2]])
    seen = torch.randn(3, 2, 3)
    lookup = StepEmbedding(weight, 4, 2)
    mine = torch.stack([lookup(step, said[step]) for step in range(3)])
    plain = torch.nn.functional.embedding(said, weight, padding_idx=PAD)
    assert torch.equal(mine, plain)
    (expected,) = torch.autograd.grad((plain * seen).sum(), weight)
    (found,) = torch.autograd.grad((mine * seen).sum(), weight)
    torch.testing.assert_close(found, expected)
