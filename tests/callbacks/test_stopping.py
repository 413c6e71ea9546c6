"""Why a training ended before its limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor, tensor
from typing_extensions import override

from seqvise.callbacks.stopping import stop_reason
from tests.callbacks.tiny import TinyTask, loader, trainer_for


class Scored(TinyTask):
    """A task with the given scores, one per validation."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = list(scores)

    @override
    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val/bleu", tensor(self.scores.pop(0)))


@pytest.mark.parametrize(
    ("scores", "settings", "reason"),
    [
        ((1.0, 2.0, 2.0, 1.5, 0.0), {"max_epochs": 9}, "no better val/bleu for 2 validations"),
        ((1.0, 2.0, 2.0, 1.5), {"max_epochs": 4}, None),  # at the limit, nothing was left out
        ((1.0, 2.0, 2.0, 1.5), {"max_epochs": 9, "max_steps": 4}, None),
        ((1.0, 2.0, 3.0), {"max_epochs": 3}, None),
        ((1.0, float("nan")), {"max_epochs": 9}, "Monitored metric val/bleu = nan is not finite. Previous best"),
    ],
)
def test_the_reason_of_early_stopping(
    tmp_path: Path, scores: tuple[float, ...], settings: dict[str, Any], reason: str | None
) -> None:
    trainer = trainer_for(tmp_path, EarlyStopping("val/bleu", mode="max", patience=2), **settings)
    trainer.fit(Scored(*scores), loader(1), loader(1))
    stopped = stop_reason(trainer)
    assert stopped == reason if reason is None else str(stopped).startswith(reason)
