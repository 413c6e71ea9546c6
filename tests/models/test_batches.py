"""Batches of pairs: padding, and positions of the target tokens."""

from dataclasses import replace

import numpy as np
import torch

from seqvise.models.interface import EOS, PAD, pair_batch

SOURCES = [np.array([7, 8, EOS], np.int32), np.array([9, EOS], np.int32)]
TARGETS = [np.array([5, EOS], np.int32), np.array([6, 4, 5, EOS], np.int32)]


def test_rows_are_padded_at_the_end() -> None:
    batch = pair_batch(SOURCES, TARGETS, [3, 1], bucket=4)
    assert batch.source.ids.tolist() == [[7, 8, EOS, PAD], [9, EOS, PAD, PAD]]
    assert batch.source.lengths.tolist() == [3, 2]
    assert batch.target.tolist() == [[5, EOS, PAD, PAD], [6, 4, 5, EOS]]
    assert batch.rows.tolist() == [3, 1]


def test_token_positions_follow_the_target_and_move_with_the_batch() -> None:
    batch = pair_batch(SOURCES, TARGETS, [3, 1], bucket=1)
    assert batch.real.tolist() == [0, 1, 4, 5, 6, 7]
    moved = batch.to("meta")
    assert {moved.target.device.type, moved.real.device.type, moved.source.ids.device.type} == {"meta"}
    assert moved.real.shape == batch.real.shape
    assert batch.target.device.type == "cpu"
    assert replace(batch, target=torch.tensor([[5, PAD], [EOS, PAD]])).real.tolist() == [0, 2]
