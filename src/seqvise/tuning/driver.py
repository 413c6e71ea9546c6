"""The loop of a search: asks the study for trials, runs several at a time, and reports how they ended."""

from __future__ import annotations

import logging
import signal
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqvise.errors import UserError
from seqvise.launching.parent import TERMINATED, recorded_signals
from seqvise.launching.pool import VISIBLE, Pool
from seqvise.tuning.options import TuneOptions
from seqvise.tuning.space import suggest
from seqvise.tuning.study import (
    FOLDER,
    HEARTBEAT_SECONDS,
    REASON,
    SEED_SCORES,
    Plan,
    count_started,
    live_trials,
    requeue,
    requeue_abandoned,
)
from seqvise.tuning.trial import Command, Outcome, Running

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

POLL_SECONDS = 0.5
"""Seconds between two checks of the trials."""
REFUSALS = 3
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _ActiveTrial:
    running: Running
    devices: tuple[str, ...]


@dataclass
class Driver:
    """Works on a study until all its trials have ended, including those of other processes.

    Attributes:
        study: the study, with its sampler and pruner.
        options: number of trials, and of parallel trials.
        folder: receives a run directory for each trial, or for each of its seeds.
        pool: slots for parallel trials, and the CUDA devices that they share.
        devices_per_trial: number of CUDA devices of a trial.
        heartbeat: seconds between two heartbeats of a trial.
        poll: seconds between two checks of the trials.
    """

    study: Study
    plan: Plan
    options: TuneOptions
    folder: Path
    command: Command
    pool: Pool
    devices_per_trial: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    heartbeat: float = HEARTBEAT_SECONDS
    poll: float = POLL_SECONDS
    _running: list[_ActiveTrial] = field(default_factory=list)
    _last_heartbeat: float = 0.0
    _waited: bool = False
    _refused: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Runs trials.

        Raises:
            UserError: several successive trials were refused, so others would be refused too.
            KeyboardInterrupt: after Ctrl-C, once the running trials have saved and ended.
            SystemExit: the same after SIGTERM, with code 143.
        """
        try:
            with recorded_signals() as received:
                while self._step(bool(received)):
                    if len(received) > 1:
                        self._kill()
                    time.sleep(self.poll)
        finally:
            self._stop()
        if signal.SIGTERM in received:
            raise SystemExit(TERMINATED)
        if received:
            raise KeyboardInterrupt

    def _step(self, stopping: bool) -> bool:
        """One iteration of the loop; returns whether to continue."""
        self._keep_alive()
        if stopping:
            self._stop()
        else:
            self._start_trials()
        for active in list(self._running):
            outcome = active.running.poll()
            if outcome is not None:
                self._running.remove(active)
                self.pool.give_back(active.devices)
                self._report(active.running, outcome)
        if len(self._refused) >= REFUSALS:
            raise UserError(f"The last {REFUSALS} trials were all refused ({self._refused[-1].rstrip('.')}).")
        return bool(self._running) or (not stopping and self._is_unfinished())

    def _start_trials(self) -> None:
        """Starts trials while the pool has free slots and the study needs more."""
        while self._needs_trials() and (devices := self.pool.take(self.devices_per_trial)) is not None:
            self._running.append(_ActiveTrial(self._start(devices), devices))

    def _start(self, devices: tuple[str, ...]) -> Running:
        with warnings.catch_warnings():
            # Optuna warns if the range is not a multiple of the step.
            warnings.filterwarnings("ignore", ".*is not divisible by `step`", UserWarning)
            trial = self.study.ask()
            self._send_heartbeat(trial._trial_id)
            values = suggest(self.plan.space, trial)
        name = trial.user_attrs.get(FOLDER, str(trial.number))
        trial.set_user_attr(FOLDER, name)
        shown = " ".join(f"{key}={value}" for key, value in values.items())
        verb = "starts" if name == str(trial.number) else f"resumes in {name}"
        log.info("trial %d %s with %s", trial.number, verb, shown)
        seeds: list[int | None] = [None] if self.plan.seeds is None else list(self.plan.seeds)
        folders = [self.folder / (name if seed is None else f"{name}-seed{seed}") for seed in seeds]
        variables = {**self.environment, **({VISIBLE: ",".join(devices)} if devices else {})}
        return Running(trial, values, folders, self.command, self.plan.metric, variables, seeds)

    def _report(self, running: Running, outcome: Outcome) -> None:
        """Reports an outcome to the study, and queues an interrupted trial again."""
        from optuna.trial import TrialState

        number = running.trial.number
        self._refused = [*self._refused, outcome.reason] if outcome.refused else []
        log.info("trial %d: %s", number, outcome.summary(self.plan.metric))
        # Another process considers a trial dead after its machine was suspended.
        if self._trial(number).state != TrialState.RUNNING:
            return
        running.trial.set_user_attr(SEED_SCORES, running.scores)
        running.trial.set_user_attr(REASON, outcome.reason)
        state = {"ok": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(outcome.state, TrialState.FAIL)
        self.study.tell(number, outcome.value, state=state, skip_if_finished=True)
        if outcome.state == "interrupted":
            requeue(self.study, self._trial(number))

    def _keep_alive(self) -> None:
        """Sends a heartbeat for each running trial, and queues trials without heartbeats again."""
        if time.monotonic() - self._last_heartbeat >= self.heartbeat:
            self._last_heartbeat = time.monotonic()
            for active in self._running:
                self._send_heartbeat(active.running.trial._trial_id)
            requeue_abandoned(self.study)

    def _send_heartbeat(self, trial: int) -> None:
        storage: Any = self.study._storage
        storage.record_heartbeat(trial)

    def _needs_trials(self) -> bool:
        """Whether the study has fewer trials than ``tune.trials``."""
        return count_started(live_trials(self.study)) < self.options.trials

    def _is_unfinished(self) -> bool:
        """Whether a trial has yet to start or is running, here or in another process."""
        from optuna.trial import TrialState

        elsewhere = [str(trial.number) for trial in live_trials(self.study) if trial.state == TrialState.RUNNING]
        if elsewhere and not self._waited and not self._needs_trials():
            log.info("waiting for trials of other processes, which may have been killed: %s", ", ".join(elsewhere))
            self._waited = True
        return bool(elsewhere) or self._needs_trials()

    def _stop(self) -> None:
        for active in self._running:
            active.running.stop()

    def _kill(self) -> None:
        for active in self._running:
            active.running.kill()

    def _trial(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]
