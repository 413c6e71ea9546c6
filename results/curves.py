"""A run's curves, an epoch a value, from its TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

from results.record import rounded

VALIDATED = ("val/loss", "val/free_loss", "val/lesson_loss", "val/bleu", "val/accuracy", "val/hit@1")
SMOOTHED = "train/loss_smooth"
EPOCH = "epoch"
Series = Mapping[int, float]


def read_curves(folder: Path) -> dict[str, list[float | None]]:
    """``epoch`` counted from 1, and beside it the value of each curve; empty where there are no events.

    A training loss is the last one logged up to the validation. Of several validations in an epoch the last is kept,
    and of a step that was repeated after a resume its last value.
    """
    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0}).Reload()
    found = set(events.Tags()[SCALARS])
    names = [name for name in (EPOCH, *VALIDATED, SMOOTHED) if name in found]
    return by_epoch({name: {event.step: event.value for event in events.Scalars(name)} for name in names})


def by_epoch(scalars: Mapping[str, Series]) -> dict[str, list[float | None]]:
    """Values at global steps turned into one value an epoch."""
    names = [name for name in VALIDATED if name in scalars]
    epochs, steps = scalars.get(EPOCH, {}), sorted({step for name in names for step in scalars[name]})
    ends = {int(epochs[step]) + 1: step for step in steps if step in epochs}
    if not ends:
        return {}
    curves: dict[str, list[float | None]] = {EPOCH: list(ends)}
    for name in names:
        curves[name] = [_value(scalars[name].get(step)) for step in ends.values()]
    if SMOOTHED in scalars:
        curves[SMOOTHED] = [_value(_last(scalars[SMOOTHED], step)) for step in ends.values()]
    return curves


def _last(series: Series, step: int) -> float | None:
    return series[max(before)] if (before := [at for at in series if at <= step]) else None


def _value(value: float | None) -> float | None:
    return None if value is None else rounded(value)
