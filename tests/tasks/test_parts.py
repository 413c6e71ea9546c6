"""Teacher-forcing masks, means over batches, and the precision of the projection."""

from __future__ import annotations

import pytest
import torch

from seqvise.tasks.base import choose_precision
from seqvise.tasks.distributed_means import Totals
from seqvise.tasks.translation import draw_forcing


def test_ratio_1_needs_no_mask() -> None:
    assert draw_forcing(3, 4, 1.0, "token") is None


@pytest.mark.parametrize(("draw", "distinct"), [("step", (1, 0)), ("sentence", (0, 1)), ("token", (0, 0))])
def test_masks_are_shared_over_rows_or_steps(draw: str, distinct: tuple[int, int]) -> None:
    torch.manual_seed(0)
    mask = draw_forcing(40, 50, 0.5, draw)
    assert mask is not None
    assert mask.shape == (40, 50)
    same_over_rows, same_over_steps = (mask == mask[:1]).all(), (mask == mask[:, :1]).all()
    assert (bool(same_over_rows), bool(same_over_steps)) == (bool(distinct[0]), bool(distinct[1]))


def test_the_ratio_is_the_forced_share() -> None:
    torch.manual_seed(0)
    mask = draw_forcing(200, 200, 0.3, "token")
    assert mask is not None
    assert float(mask.float().mean()) == pytest.approx(0.3, abs=0.01)
    none = draw_forcing(5, 5, 0.0, "token")
    assert none is not None
    assert not none.any()


def test_means_do_not_depend_on_the_division_into_batches() -> None:
    # Batches of 1 and 3 words with sums 4 and 2: the mean over words is 6 / 4, the mean of batch means 2.33.
    totals = Totals()
    totals.add("loss", torch.tensor(4.0), 1)
    totals.add("loss", torch.tensor(2.0), 3)
    assert totals.means(torch.device("cpu")) == {"loss": 1.5}


def test_an_explicit_precision_is_used() -> None:
    cpu = torch.device("cpu")
    assert choose_precision("fp32", cpu).dtype == torch.float32
    assert choose_precision("bf16", cpu).dtype == torch.bfloat16
    assert choose_precision("auto", torch.device("meta")).dtype == torch.float32
