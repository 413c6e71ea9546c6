"""Opens a study in its database, compares it with the requested plan, and requeues its interrupted trials."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any

from seqvise.errors import UserError
from seqvise.moved import current_metric, current_override
from seqvise.tuning.options import TuneOptions
from seqvise.tuning.space import Space, as_plain

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

PLAN = "seqvise"
"""Attribute of a study: its plan."""
FOLDER, SEED_SCORES, REASON, RESUMED_TRIAL = "folder", "found", "why", "again"
"""Attributes of a trial: folder name, metric of each seed, why it has no result, number of the trial it resumes."""
DIRECTIONS = {"max": "MAXIMIZE", "min": "MINIMIZE"}
STARTUP_TIMEOUT = timedelta(minutes=2)
HEARTBEAT_SECONDS = 10
"""Seconds between two heartbeats of a trial; a trial that misses three counts as dead."""


@dataclass(frozen=True)
class Plan:
    """Definition of a study; the same in every process that works on it.

    Attributes:
        metric: the metric that is a trial's value.
        mode: ``max`` or ``min``.
        seeds: the value is the mean over these seeds; None for the seed of the config.
        overrides: the fixed overrides, without those that cannot change results.
    """

    space: Space
    metric: str
    mode: str
    seeds: tuple[int, ...] | None
    overrides: tuple[str, ...]

    def as_plain(self) -> dict[str, Any]:
        """Plain values for the database."""
        return {
            "space": as_plain(self.space),
            "monitor.metric": self.metric,
            "monitor.mode": self.mode,
            "tune.seeds": None if self.seeds is None else list(self.seeds),
            "words": sorted(self.overrides),
        }


def open_study(name: str, url: str, plan: Plan, options: TuneOptions, heartbeat: int = HEARTBEAT_SECONDS) -> Study:
    """Opens a study of a database, or creates it.

    Args:
        url: SQLAlchemy URL of the database.
        heartbeat: seconds between two heartbeats of a trial.

    Raises:
        UserError: the database cannot be reached, or a different study has this name.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction = optuna.study.StudyDirection[DIRECTIONS[plan.mode]]
    try:
        storage = _storage(url, heartbeat)
        study = optuna.create_study(study_name=name, storage=storage, direction=direction, load_if_exists=True)
        if PLAN not in study.user_attrs and not study.get_trials(deepcopy=False):
            study.set_user_attr(PLAN, plan.as_plain())
    except Exception as error:  # the error class depends on the database
        raise UserError(_unreachable(url, error)) from error
    if messages := list(_differences(name, study, plan)):
        raise UserError(*messages)
    study.sampler = build_sampler(options, len(study.get_trials(deepcopy=False)))
    study.pruner = build_pruner(options)
    return study


def build_sampler(options: TuneOptions, trial_count: int) -> BaseSampler:
    """The sampler. trial_count: trials so far; it shifts the seed, so that a resumed search draws new values."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = None if options.sampler_seed is None else options.sampler_seed + trial_count
    return RandomSampler(seed=seed) if options.sampler == "random" else TPESampler(seed=seed)


def build_pruner(options: TuneOptions) -> BasePruner:
    """The pruner, which ends trials early by their metric after each validation."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if options.pruner == "hyperband":
        return HyperbandPruner(min_resource=options.warmup)
    if options.pruner == "median":
        return MedianPruner(n_startup_trials=options.startup, n_warmup_steps=options.warmup)
    return NopPruner()


def requeue(study: Study, trial: FrozenTrial) -> None:
    """Queues an interrupted trial again; it resumes in its folder."""
    import optuna

    attributes = {**trial.user_attrs, RESUMED_TRIAL: trial.number}
    waiting = optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=attributes,
    )
    study.add_trial(waiting)


def live_trials(study: Study) -> list[FrozenTrial]:
    """All trials; of an interrupted trial and those that resumed it, only the last."""
    trials = study.get_trials(deepcopy=False)
    replaced = {trial.user_attrs.get(RESUMED_TRIAL) for trial in trials}
    return [trial for trial in trials if trial.number not in replaced]


def requeue_abandoned(study: Study) -> None:
    """Marks trials whose process was killed as failed, and queues them again."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import fail_stale_trials
    from optuna.trial import TrialState

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats are called experimental
        fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # Killed before its first heartbeat.
        age = datetime.now() - (trial.datetime_start or datetime.now())
        if FOLDER not in trial.user_attrs and age > STARTUP_TIMEOUT:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            requeue(study, trial)


def count_started(trials: Sequence[FrozenTrial]) -> int:
    """Number of trials that are running or have ended."""
    from optuna.trial import TrialState

    return sum(trial.state != TrialState.WAITING for trial in trials)


def _differences(name: str, study: Study, plan: Plan) -> Iterator[str]:
    """Differences between the study in the database and the requested plan."""
    before = study.user_attrs.get(PLAN)
    if before is None or study.direction.name != DIRECTIONS[before["monitor.mode"]]:
        yield f"The study '{name}' in the database was not made by seqvise tune: choose another tune.name."
        return
    # The database returns lists for tuples.
    before, now = _with_present_names(before), _with_present_names(json.loads(json.dumps(plan.as_plain())))
    for key in ("space", "monitor.metric", "monitor.mode", "tune.seeds", "words"):
        if before.get(key) != now[key]:
            yield _difference(name, key, before.get(key), now[key])


def _with_present_names(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan in plain values, without former names of metrics and experiments."""
    overrides = sorted(map(current_override, plan.get("words", ())))
    return {**plan, "monitor.metric": current_metric(str(plan.get("monitor.metric"))), "words": overrides}


def _difference(study: str, key: str, before: Any, now: Any) -> str:
    hint = "choose another tune.name, or use the earlier settings."
    if key == "space":
        changed = [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name)]
        return f"The study '{study}' has a different search space (it differs in {', '.join(changed)}): {hint}"
    if key == "words":
        gone, new = ([override for override in a if override not in b] for a, b in ((before, now), (now, before)))
        changes = "; ".join(part for part in (_listing("it has", gone), _listing("it lacks", new)) if part)
        return f"The study '{study}' was created with different overrides ({changes}): {hint}"
    return f"The study '{study}' was created with {key}={before}, but now it is {now}: {hint}"


def _listing(label: str, overrides: Sequence[str]) -> str:
    return f"{label} {' '.join(overrides)}" if overrides else ""


def _storage(url: str, heartbeat: int) -> RDBStorage:
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import RDBStorage

    # Several processes write into one file and wait for each other.
    arguments: dict[str, Any] = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats are called experimental
        return RDBStorage(url, arguments, heartbeat_interval=heartbeat, grace_period=3 * heartbeat, **_on_stale())


def _on_stale() -> dict[str, Any]:
    """The callback for trials without heartbeats, as the argument name of the installed Optuna."""
    from optuna.storages import RDBStorage

    known = signature(RDBStorage).parameters
    name = "heartbeat_stale_trial_callback"
    return {name if name in known else "failed_trial_callback": requeue}


def _unreachable(url: str, error: Exception) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        shown = url
    cause = error.__cause__ or error
    message = " ".join(str(cause).partition("\n")[0].split()).replace(url, shown) or type(cause).__name__
    return (
        f"tune.storage={shown} cannot be reached ({message.rstrip('.')}): write a URL such as sqlite:///study.db or "
        "postgresql://user:password@host/name."
    )
