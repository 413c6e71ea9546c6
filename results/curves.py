"""Reads the curves of a run, one value per epoch, from its TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

from results.record import round_digits
from seqvise.moved import metric_names

VALIDATED = ("val/loss", "val/loss_free", "val/loss_free_padded", "val/bleu", "val/accuracy", "val/hit@1")
SMOOTHED = "train/loss_smooth"
EPOCH = "epoch"
Series = Mapping[int, float]


def read_curves(folder: Path) -> dict[str, list[float | None]]:
    """``epoch`` counted from 1, and the values of each curve; empty without events.

    The training loss of an epoch is the last one logged up to its validation. If an epoch has several validations, or
    a step was repeated after a resume, the last value is used.
    """
    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0}).Reload()
    tags = set(events.Tags()[SCALARS])
    names = {name: [tag for tag in metric_names(name) if tag in tags] for name in (EPOCH, *VALIDATED, SMOOTHED)}
    return by_epoch(
        {
            name: {event.step: event.value for tag in found for event in events.Scalars(tag)}
            for name, found in names.items()
            if found
        }
    )


def by_epoch(scalars: Mapping[str, Series]) -> dict[str, list[float | None]]:
    """Converts values at global steps to one value per epoch."""
    names = [name for name in VALIDATED if name in scalars]
    epochs, steps = scalars.get(EPOCH, {}), sorted({step for name in names for step in scalars[name]})
    shift = int(min(epochs.values(), default=1) == 0)  # runs of earlier revisions count from 0
    ends = {int(epochs[step]) + shift: step for step in steps if step in epochs}
    if not ends:
        return {}
    curves: dict[str, list[float | None]] = {EPOCH: list(ends)}
    for name in names:
        curves[name] = [_value(scalars[name].get(step)) for step in ends.values()]
    if SMOOTHED in scalars:
        curves[SMOOTHED] = [_value(_last(scalars[SMOOTHED], step)) for step in ends.values()]
    return curves


def _last(series: Series, step: int) -> float | None:
    return series[max(earlier)] if (earlier := [logged_step for logged_step in series if logged_step <= step]) else None


def _value(value: float | None) -> float | None:
    return None if value is None else round_digits(value)
