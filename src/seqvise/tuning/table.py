"""A study as a table, and its best trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seqvise.reports.differences import text
from seqvise.reports.grid import TextTable, number_text, result_text
from seqvise.reports.job import ABSENT
from seqvise.reports.report import Result
from seqvise.tuning.space import Choices, Parameter, Space, Value, label
from seqvise.tuning.study import FOLDER, REASON, SEED_SCORES

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

STATES = {"COMPLETE": "ok", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "interrupted"}
ORDER = list(STATES)


def values_of(space: Space, trial: FrozenTrial) -> dict[str, Value]:
    """Values of a trial, in the order of the space."""
    return {parameter.key: _value(parameter, trial) for parameter in space if parameter.key in trial.params}


def ranked(trials: Sequence[FrozenTrial], mode: str) -> list[FrozenTrial]:
    """Finished trials, best first, then pruned trials, then the others."""
    sign = -1 if mode == "max" else 1

    def rank(trial: FrozenTrial) -> tuple[int, float, int]:
        value = math.inf if trial.value is None else sign * trial.value
        return ORDER.index(trial.state.name), value, trial.number

    return sorted(trials, key=rank)


def best_of(trials: Sequence[FrozenTrial], mode: str) -> FrozenTrial | None:
    """The best finished trial; None if there is none."""
    first = ranked(trials, mode)[:1]
    return first[0] if first and first[0].state.name == "COMPLETE" else None


def trials_grid(space: Space, metric: str, mode: str, trials: Sequence[FrozenTrial]) -> TextTable:
    """One row per trial, best first: its parameters, the metric, its state and the reason."""
    head = ["", "trial", *(parameter.key for parameter in space), metric, "n", "state", "why"]
    rows = [_row(rank, space, trial) for rank, trial in enumerate(ranked(trials, mode), 1)]
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    numeric = {"", "trial", metric, "n"}
    return TextTable(head, rows, [name in numeric for name in head])


def _row(rank: int, space: Space, trial: FrozenTrial) -> list[str]:
    values = values_of(space, trial)
    cells = [_cell(values, parameter.key) for parameter in space]
    finished, scores = trial.state.name == "COMPLETE", _seed_scores(trial)
    unfinished = "" if trial.value is None else f"({number_text(trial.value)})"
    value = result_text(Result.of(scores)) if finished else unfinished
    reason = "" if finished or trial.state.name == "RUNNING" else str(trial.user_attrs.get(REASON, ""))
    name = str(trial.user_attrs.get(FOLDER, trial.number))
    state = STATES[trial.state.name]
    return [str(rank) if finished else "", name, *cells, value, str(len(scores)) if finished else "", state, reason]


def _seed_scores(trial: FrozenTrial) -> list[float]:
    return [float(value) for value in trial.user_attrs.get(SEED_SCORES, [])]


def _cell(values: Mapping[str, Value], key: str) -> str:
    if key not in values:
        return ABSENT
    value = values[key]
    return str(value) if isinstance(value, list | dict) else text(value)


def _value(parameter: Parameter, trial: FrozenTrial) -> Value:
    """A parameter's value; for choices, the database holds their labels."""
    stored: Value = trial.params[parameter.key]
    if not isinstance(parameter.range, Choices):
        return stored
    return next(value for value in parameter.range.values if label(value) == stored)
