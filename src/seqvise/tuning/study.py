"""The study in its database: opened, compared with what is asked for, and its trials counted."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any

from seqvise.errors import UserError
from seqvise.tuning.options import TuneOptions
from seqvise.tuning.space import Space, as_plain

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

PLAN = "seqvise"
"""Attribute of a study: what makes it what it is."""
FOLDER, FOUND, WHY, AGAIN = "folder", "found", "why", "again"
"""Attributes of a trial: its folder's name, the metric of each seed, why it is no result, what it goes on with."""
DIRECTIONS = {"max": "MAXIMIZE", "min": "MINIMIZE"}
STILLBORN = timedelta(minutes=2)
BEAT = 10
"""Seconds between two signs of life of a trial; after three without one it is taken for dead."""


@dataclass(frozen=True)
class Plan:
    """What makes a study what it is; the same in every process that works on it.

    Attributes:
        space: what is searched.
        metric: what a trial's value is.
        mode: ``max`` or ``min``.
        seeds: whose mean it is; None: of the config's own.
        words: the overrides held fixed, without those that change no result.
    """

    space: Space
    metric: str
    mode: str
    seeds: tuple[int, ...] | None
    words: tuple[str, ...]

    def as_plain(self) -> dict[str, Any]:
        """As plain values, for the database."""
        return {
            "space": as_plain(self.space),
            "monitor.metric": self.metric,
            "monitor.mode": self.mode,
            "tune.seeds": None if self.seeds is None else list(self.seeds),
            "words": sorted(self.words),
        }


def open_study(name: str, url: str, plan: Plan, options: TuneOptions, beat: int = BEAT) -> Study:
    """The study of that name in the database at a URL, made where there is none.

    Args:
        name: the study's.
        url: as SQLAlchemy writes them.
        plan: what the study is.
        options: of its sampler and pruner.
        beat: seconds between two signs of life of a trial.

    Raises:
        UserError: the database cannot be reached, or another study has the name.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction = optuna.study.StudyDirection[DIRECTIONS[plan.mode]]
    try:
        storage = _storage(url, beat)
        study = optuna.create_study(study_name=name, storage=storage, direction=direction, load_if_exists=True)
        if PLAN not in study.user_attrs and not study.get_trials(deepcopy=False):
            study.set_user_attr(PLAN, plan.as_plain())
    except Exception as error:  # each kind of database has its own
        raise UserError(_unreachable(url, error)) from error
    if problems := list(_differences(name, study, plan)):
        raise UserError(*problems)
    study.sampler = build_sampler(options, len(study.get_trials(deepcopy=False)))
    study.pruner = build_pruner(options)
    return study


def build_sampler(options: TuneOptions, done: int) -> BaseSampler:
    """Who suggests values. done: trials so far, so that a search that goes on does not draw the same again."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = None if options.sampler_seed is None else options.sampler_seed + done
    return RandomSampler(seed=seed) if options.sampler == "random" else TPESampler(seed=seed)


def build_pruner(options: TuneOptions) -> BasePruner:
    """Who ends trials early, by their metric after each validation."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if options.pruner == "hyperband":
        return HyperbandPruner(min_resource=options.warmup)
    if options.pruner == "median":
        return MedianPruner(n_startup_trials=options.startup, n_warmup_steps=options.warmup)
    return NopPruner()


def enqueue_again(study: Study, trial: FrozenTrial) -> None:
    """Puts a trial that was broken off among those that wait, to go on in its folder."""
    import optuna

    attributes = {**trial.user_attrs, AGAIN: trial.number}
    waiting = optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=attributes,
    )
    study.add_trial(waiting)


def live_trials(study: Study) -> list[FrozenTrial]:
    """All trials, of those that were broken off and taken up again only the last."""
    trials = study.get_trials(deepcopy=False)
    replaced = {trial.user_attrs.get(AGAIN) for trial in trials}
    return [trial for trial in trials if trial.number not in replaced]


def fail_abandoned(study: Study) -> None:
    """Ends trials whose process was killed, and puts them among those that wait."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import fail_stale_trials
    from optuna.trial import TrialState

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats are called experimental
        fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # Killed before its first sign of life.
        if FOLDER not in trial.user_attrs and datetime.now() - (trial.datetime_start or datetime.now()) > STILLBORN:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            enqueue_again(study, trial)


def started(trials: Sequence[FrozenTrial]) -> int:
    """How many are running or have ended."""
    from optuna.trial import TrialState

    return sum(trial.state != TrialState.WAITING for trial in trials)


def _differences(name: str, study: Study, plan: Plan) -> Iterator[str]:
    """What the study in the database has of another kind than what is asked for."""
    before = study.user_attrs.get(PLAN)
    if before is None or study.direction.name != DIRECTIONS[before["monitor.mode"]]:
        yield f"The study '{name}' in the database was not made by seqvise tune: choose another tune.name."
        return
    # As the database gives it back: lists for tuples.
    now = json.loads(json.dumps(plan.as_plain()))
    for key in ("space", "monitor.metric", "monitor.mode", "tune.seeds", "words"):
        if before.get(key) != now[key]:
            yield _difference(name, key, before.get(key), now[key])


def _difference(name: str, key: str, before: Any, now: Any) -> str:
    hint = "choose another tune.name, or the same as before."
    if key == "space":
        changed = [each for each in dict.fromkeys([*before, *now]) if before.get(each) != now.get(each)]
        return f"The study '{name}' has another search space (it differs in {', '.join(changed)}): {hint}"
    if key == "words":
        gone, new = ([word for word in a if word not in b] for a, b in ((before, now), (now, before)))
        told = "; ".join(part for part in (_told("it has", gone), _told("it has not", new)) if part)
        return f"The study '{name}' was begun with other words ({told}): {hint}"
    return f"The study '{name}' was begun with {key}={before}, but now it is {now}: {hint}"


def _told(said: str, words: Sequence[str]) -> str:
    return f"{said} {' '.join(words)}" if words else ""


def _storage(url: str, beat: int) -> RDBStorage:
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import RDBStorage

    # Several processes write into one file, each waits for the others.
    arguments: dict[str, Any] = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats are called experimental
        return RDBStorage(url, arguments, heartbeat_interval=beat, grace_period=3 * beat, **_on_stale())


def _on_stale() -> dict[str, Any]:
    """What is called with a trial that gives no sign of life, under the name that this Optuna has for it."""
    from optuna.storages import RDBStorage

    known = signature(RDBStorage).parameters
    name = "heartbeat_stale_trial_callback"
    return {name if name in known else "failed_trial_callback": enqueue_again}


def _unreachable(url: str, error: Exception) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        shown = url
    cause = error.__cause__ or error
    told = " ".join(str(cause).partition("\n")[0].split()).replace(url, shown) or type(cause).__name__
    return (
        f"tune.storage={shown} cannot be reached ({told.rstrip('.')}): write a URL as sqlite:///study.db or "
        "postgresql://user:password@host/name."
    )
