"""Embedding lookups inside a loop against torch's embedding."""

from __future__ import annotations

import torch

from seqvise.models.interface import PAD
from seqvise.models.recurrent.decoder_inputs import StepEmbedding


def test_values_and_gradient_equal_those_of_an_embedding() -> None:
    torch.manual_seed(0)
    weight = torch.randn(7, 3, requires_grad=True)
    tokens = torch.tensor([[4, 5], [PAD, 4], [6, 2]])
    grad_vectors = torch.randn(3, 2, 3)
    lookup = StepEmbedding(weight, 4, 2)
    vectors = torch.stack([lookup(step, tokens[step]) for step in range(3)])
    expected_vectors = torch.nn.functional.embedding(tokens, weight, padding_idx=PAD)
    assert torch.equal(vectors, expected_vectors)
    (expected_gradient,) = torch.autograd.grad((expected_vectors * grad_vectors).sum(), weight)
    (gradient,) = torch.autograd.grad((vectors * grad_vectors).sum(), weight)
    torch.testing.assert_close(gradient, expected_gradient)
