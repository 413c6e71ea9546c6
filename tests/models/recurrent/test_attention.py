"""Each attention against its equation, computed for one query and one source step at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from seqvise.models.kernels.step_linear import plain_product
from seqvise.models.recurrent.attention import AdditiveAttention, DotAttention, GeneralAttention

SENTENCES, ROWS, STEPS, SIZE = 2, 3, 4, 5
LENGTHS = [4, 2]


def additive(query: Tensor, memory: Tensor, activation: str, attention: AdditiveAttention) -> float:
    hidden = attention.key.weight @ memory + attention.query.weight @ query + attention.query.bias
    return float(attention.score.weight[0] @ (hidden.tanh() if activation == "tanh" else hidden.relu()))


CASES: dict[str, tuple[Callable[[], object], Callable[[Tensor, Tensor, object], float]]] = {
    "tanh": (lambda: AdditiveAttention(SIZE, SIZE, 7, "tanh"), lambda q, m, a: additive(q, m, "tanh", a)),  # type: ignore[arg-type]
    "relu": (lambda: AdditiveAttention(SIZE, SIZE, 7, "relu"), lambda q, m, a: additive(q, m, "relu", a)),  # type: ignore[arg-type]
    "dot": (DotAttention, lambda q, m, _: float(q @ m)),
    "general": (lambda: GeneralAttention(SIZE, SIZE), lambda q, m, a: float(q @ a.key.weight @ m)),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("name", CASES)
def test_weights_and_context_equal_the_equations(name: str) -> None:
    torch.manual_seed(0)
    make, score = CASES[name]
    attention = make()
    memory, query = torch.randn(SENTENCES, STEPS, SIZE), torch.randn(SENTENCES * ROWS, SIZE)
    mask = torch.arange(STEPS) < torch.tensor(LENGTHS).unsqueeze(1)
    context, weights = attention.bind(plain_product)(query, attention.keys(memory), memory, mask)  # type: ignore[attr-defined]
    for row in range(SENTENCES * ROWS):
        sentence = row // ROWS
        steps = range(LENGTHS[sentence])
        exponentials = [math.exp(score(query[row], memory[sentence, step], attention)) for step in steps]
        expected = torch.tensor(
            [exponential / sum(exponentials) for exponential in exponentials] + [0.0] * (STEPS - len(steps))
        )
        torch.testing.assert_close(weights[row], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(context[row], expected @ memory[sentence], rtol=1e-4, atol=1e-5)
