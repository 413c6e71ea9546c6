"""Sinusoids and rotations against values by hand, and the property each is chosen for."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from seqvise.models.transformer.options import TransformerOptions
from seqvise.models.transformer.positions import Rotary, Sinusoidal, sinusoids

CPU = torch.device("cpu")


def test_sinusoids_by_hand() -> None:
    # Width 4: the first pair turns by 1 a step, the second by 1 / 10000^(2/4) = 0.01.
    expected = [[math.sin(p), math.cos(p), math.sin(p / 100), math.cos(p / 100)] for p in (3, 4)]
    torch.testing.assert_close(sinusoids(3, 2, 4, CPU), torch.tensor(expected))


def test_sinusoids_are_added_and_nothing_is_turned() -> None:
    positions = Sinusoidal(TransformerOptions(embedding=4, heads=1))
    marked = positions.mark(torch.full((2, 3, 4), 5.0), 7)
    torch.testing.assert_close(marked, (5 + sinusoids(7, 3, 4, CPU)).expand(2, 3, 4))
    assert positions.rotation(7, 3, CPU) is None


def test_a_rotation_by_hand() -> None:
    rotation = Rotary(TransformerOptions(embedding=8, heads=2, positions="rotary")).rotation(0, 3, CPU)
    assert rotation is not None
    # One head of width 4, the same vector at three positions: 1 pairs with 3, 2 with 4.
    turned = rotation.turn(torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(1, 3, 1, 1, 4))[0, :, 0, 0]
    for position in range(3):
        fast, slow = position, position / 100
        expected = [
            math.cos(fast) - 3 * math.sin(fast),
            2 * math.cos(slow) - 4 * math.sin(slow),
            3 * math.cos(fast) + math.sin(fast),
            4 * math.cos(slow) + 2 * math.sin(slow),
        ]
        torch.testing.assert_close(turned[position], torch.tensor(expected))


@given(query=st.integers(0, 40), key=st.integers(0, 40), shift=st.integers(0, 60), seed=st.integers(0, 9))
def test_a_turned_score_depends_on_the_distance_alone(query: int, key: int, shift: int, seed: int) -> None:
    positions = Rotary(TransformerOptions(embedding=16, heads=2, positions="rotary"))
    vectors = torch.randn(2, 8, generator=torch.Generator().manual_seed(seed))

    def turned(vector: torch.Tensor, position: int) -> torch.Tensor:
        rotation = positions.rotation(position, 1, CPU)
        assert rotation is not None
        return rotation.turn(vector.reshape(1, 1, 1, 1, 8)).flatten()

    here = turned(vectors[0], query) @ turned(vectors[1], key)
    there = turned(vectors[0], query + shift) @ turned(vectors[1], key + shift)
    torch.testing.assert_close(there, here, rtol=1e-4, atol=1e-4)
