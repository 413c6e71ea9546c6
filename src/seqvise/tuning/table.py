"""A study as a table, and its best trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seqvise.reports.differences import text
from seqvise.reports.grid import Grid, number_text, result_text
from seqvise.reports.job import ABSENT
from seqvise.reports.report import Result
from seqvise.tuning.space import Choices, Space, Value, label
from seqvise.tuning.study import FOLDER, FOUND, WHY

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

STATES = {"COMPLETE": "ok", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "broken off"}
ORDER = list(STATES)


def values_of(space: Space, trial: FrozenTrial) -> dict[str, Value]:
    """What a trial tried, in the order of the space."""
    return {each.key: _value(each.range, trial.params[each.key]) for each in space if each.key in trial.params}


def ranked(trials: Sequence[FrozenTrial], mode: str) -> list[FrozenTrial]:
    """Those that are done, best first, then those that were pruned, and the others."""
    sign = -1 if mode == "max" else 1

    def rank(trial: FrozenTrial) -> tuple[int, float, int]:
        value = math.inf if trial.value is None else sign * trial.value
        return ORDER.index(trial.state.name), value, trial.number

    return sorted(trials, key=rank)


def best_of(trials: Sequence[FrozenTrial], mode: str) -> FrozenTrial | None:
    """The best of those that are done."""
    first = ranked(trials, mode)[:1]
    return first[0] if first and first[0].state.name == "COMPLETE" else None


def trials_grid(space: Space, metric: str, mode: str, trials: Sequence[FrozenTrial]) -> Grid:
    """A line a trial, best first: its parameters, the metric, how it stands and why."""
    head = ["", "trial", *(each.key for each in space), metric, "n", "state", "why"]
    lines = [_line(rank, space, trial) for rank, trial in enumerate(ranked(trials, mode), 1)]
    if not any(line[-1] for line in lines):
        head, lines = head[:-1], [line[:-1] for line in lines]
    numeric = {"", "trial", metric, "n"}
    return Grid(head, lines, [name in numeric for name in head])


def _line(rank: int, space: Space, trial: FrozenTrial) -> list[str]:
    values = values_of(space, trial)
    shown = [_shown(values, each.key) for each in space]
    done, found = trial.state.name == "COMPLETE", _found(trial)
    value = result_text(Result.of(found)) if done else "" if trial.value is None else f"({number_text(trial.value)})"
    why = "" if done or trial.state.name == "RUNNING" else str(trial.user_attrs.get(WHY, ""))
    name = str(trial.user_attrs.get(FOLDER, trial.number))
    state = STATES[trial.state.name]
    return [str(rank) if done else "", name, *shown, value, str(len(found)) if done else "", state, why]


def _found(trial: FrozenTrial) -> list[float]:
    return [float(value) for value in trial.user_attrs.get(FOUND, [])]


def _shown(values: Mapping[str, Value], key: str) -> str:
    if key not in values:
        return ABSENT
    value = values[key]
    return str(value) if isinstance(value, list | dict) else text(value)


def _value(found: object, stored: Value) -> Value:
    """A parameter's value; of choices, the database holds what stands for them."""
    if not isinstance(found, Choices):
        return stored
    return next(value for value in found.values if label(value) == stored)
