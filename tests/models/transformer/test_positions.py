"""Sinusoids and rotations against values by hand, and the relative-position property of rotations."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from seqvise.models.transformer.options import TransformerOptions
from seqvise.models.transformer.positions import Rotary, Sinusoidal, sinusoids

CPU = torch.device("cpu")


def test_sinusoids_by_hand() -> None:
    # Width 4: the angle of the first pair grows by 1 per step, that of the second by 1 / 10000^(2/4) = 0.01.
    expected = [[math.sin(p), math.cos(p), math.sin(p / 100), math.cos(p / 100)] for p in (3, 4)]
    torch.testing.assert_close(sinusoids(3, 2, 4, CPU), torch.tensor(expected))


def test_sinusoids_are_added_without_rotation() -> None:
    positions = Sinusoidal(TransformerOptions(embedding=4, heads=1))
    positioned = positions.add_positions(torch.full((2, 3, 4), 5.0), 7)
    torch.testing.assert_close(positioned, (5 + sinusoids(7, 3, 4, CPU)).expand(2, 3, 4))
    assert positions.rotation(7, 3, CPU) is None


def test_a_rotation_by_hand() -> None:
    rotation = Rotary(TransformerOptions(embedding=8, heads=2, positions="rotary")).rotation(0, 3, CPU)
    assert rotation is not None
    # One head of width 4, the same vector at three positions: 1 pairs with 3, 2 with 4.
    rotated = rotation.rotate(torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(1, 3, 1, 1, 4))[0, :, 0, 0]
    for position in range(3):
        fast, slow = position, position / 100
        expected = [
            math.cos(fast) - 3 * math.sin(fast),
            2 * math.cos(slow) - 4 * math.sin(slow),
            3 * math.cos(fast) + math.sin(fast),
            4 * math.cos(slow) + 2 * math.sin(slow),
        ]
        torch.testing.assert_close(rotated[position], torch.tensor(expected))


@given(query=st.integers(0, 40), key=st.integers(0, 40), shift=st.integers(0, 60), seed=st.integers(0, 9))
def test_a_rotated_score_depends_only_on_the_distance(query: int, key: int, shift: int, seed: int) -> None:
    positions = Rotary(TransformerOptions(embedding=16, heads=2, positions="rotary"))
    vectors = torch.randn(2, 8, generator=torch.Generator().manual_seed(seed))

    def rotated(vector: torch.Tensor, position: int) -> torch.Tensor:
        rotation = positions.rotation(position, 1, CPU)
        assert rotation is not None
        return rotation.rotate(vector.reshape(1, 1, 1, 1, 8)).flatten()

    score = rotated(vectors[0], query) @ rotated(vectors[1], key)
    shifted_score = rotated(vectors[0], query + shift) @ rotated(vectors[1], key + shift)
    torch.testing.assert_close(shifted_score, score, rtol=1e-4, atol=1e-4)
