"""The loop of a search: asks for trials, runs so many at a time, and tells how they ended."""

from __future__ import annotations

import logging
import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from seqvise.errors import UserError
from seqvise.launching.pool import VISIBLE, Pool
from seqvise.tuning.options import TuneOptions
from seqvise.tuning.space import suggest
from seqvise.tuning.study import (
    BEAT,
    FOLDER,
    FOUND,
    WHY,
    Plan,
    enqueue_again,
    fail_abandoned,
    live_trials,
    started,
)
from seqvise.tuning.trial import Command, Outcome, Running

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

POLL = 0.5
"""Seconds between two looks at the trials."""
REFUSALS = 3
TERMINATED = 128 + signal.SIGTERM
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Placed:
    running: Running
    devices: tuple[str, ...]


@dataclass
class Driver:
    """Works on a study until it has all its trials, those of other processes too.

    Attributes:
        study: with its sampler and pruner.
        plan: what is searched and measured.
        options: how many trials, and how many at a time.
        folder: receives a run directory for each trial, or for each of its seeds.
        command: starts a run.
        pool: has room for so many trials at a time, and the CUDA devices that they share.
        needs: devices of a trial.
        environment: variables of its processes.
        beat: seconds between two signs of life of a trial.
        poll: seconds between two looks at the trials.
    """

    study: Study
    plan: Plan
    options: TuneOptions
    folder: Path
    command: Command
    pool: Pool
    needs: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    beat: float = BEAT
    poll: float = POLL
    _running: list[_Placed] = field(default_factory=list)
    _beaten: float = 0.0
    _waited: bool = False
    _refused: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Runs trials.

        Raises:
            UserError: so many trials one after another were refused that others would be too.
            KeyboardInterrupt: after Ctrl-C, when the running trials have saved and ended.
            SystemExit: the same after SIGTERM, with code 143.
        """
        try:
            with told_to_stop() as told:
                while self._step(bool(told)):
                    if len(told) > 1:
                        self._kill()
                    time.sleep(self.poll)
        finally:
            self._stop()
        if signal.SIGTERM in told:
            raise SystemExit(TERMINATED)
        if told:
            raise KeyboardInterrupt

    def _step(self, stopping: bool) -> bool:
        """One look at everything; whether there is more to come."""
        self._keep_alive()
        if stopping:
            self._stop()
        else:
            self._fill()
        for placed in list(self._running):
            outcome = placed.running.poll()
            if outcome is not None:
                self._running.remove(placed)
                self.pool.give_back(placed.devices)
                self._tell(placed.running, outcome)
        if len(self._refused) >= REFUSALS:
            raise UserError(f"The last {REFUSALS} trials were all refused ({self._refused[-1].rstrip('.')}).")
        return bool(self._running) or (not stopping and self._is_unfinished())

    def _fill(self) -> None:
        """Begins trials as long as there are places and trials to come."""
        while self._is_wanting() and (devices := self.pool.take(self.needs)) is not None:
            self._running.append(_Placed(self._begin(devices), devices))

    def _begin(self, devices: tuple[str, ...]) -> Running:
        with warnings.catch_warnings():
            # Of a step that the range is no multiple of.
            warnings.filterwarnings("ignore", ".*is not divisible by `step`", UserWarning)
            trial = self.study.ask()
            self._beat(trial._trial_id)
            values = suggest(self.plan.space, trial)
        name = trial.user_attrs.get(FOLDER, str(trial.number))
        trial.set_user_attr(FOLDER, name)
        shown = " ".join(f"{key}={value}" for key, value in values.items())
        begins = "begins" if name == str(trial.number) else f"goes on in {name}"
        log.info("trial %d %s with %s", trial.number, begins, shown)
        seeds: list[int | None] = [None] if self.plan.seeds is None else list(self.plan.seeds)
        folders = [self.folder / (name if seed is None else f"{name}-seed{seed}") for seed in seeds]
        variables = {**self.environment, **({VISIBLE: ",".join(devices)} if devices else {})}
        return Running(trial, values, folders, self.command, self.plan.metric, variables, seeds)

    def _tell(self, running: Running, outcome: Outcome) -> None:
        """Tells the study; a trial that was broken off waits there to go on."""
        from optuna.trial import TrialState

        number = running.trial.number
        self._refused = [*self._refused, outcome.why] if outcome.refused else []
        log.info("trial %d: %s", number, outcome.told(self.plan.metric))
        # Another process takes a trial for dead whose machine has slept.
        if self._trial(number).state != TrialState.RUNNING:
            return
        running.trial.set_user_attr(FOUND, running.found)
        running.trial.set_user_attr(WHY, outcome.why)
        state = {"ok": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(outcome.state, TrialState.FAIL)
        self.study.tell(number, outcome.value, state=state, skip_if_finished=True)
        if outcome.state == "interrupted":
            enqueue_again(self.study, self._trial(number))

    def _keep_alive(self) -> None:
        """Gives a sign of life of each trial, and takes up those of which there is none."""
        if time.monotonic() - self._beaten >= self.beat:
            self._beaten = time.monotonic()
            for placed in self._running:
                self._beat(placed.running.trial._trial_id)
            fail_abandoned(self.study)

    def _beat(self, trial: int) -> None:
        storage: Any = self.study._storage
        storage.record_heartbeat(trial)

    def _is_wanting(self) -> bool:
        """Whether the study has fewer trials than it is to have."""
        return started(live_trials(self.study)) < self.options.trials

    def _is_unfinished(self) -> bool:
        """Whether a trial is to come or runs, here or elsewhere."""
        from optuna.trial import TrialState

        elsewhere = [str(trial.number) for trial in live_trials(self.study) if trial.state == TrialState.RUNNING]
        if elsewhere and not self._waited and not self._is_wanting():
            log.info("waiting for trials of other processes, or of one that was killed: %s", ", ".join(elsewhere))
            self._waited = True
        return bool(elsewhere) or self._is_wanting()

    def _stop(self) -> None:
        for placed in self._running:
            placed.running.stop()

    def _kill(self) -> None:
        for placed in self._running:
            placed.running.kill()

    def _trial(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]


@contextmanager
def told_to_stop() -> Iterator[list[int]]:
    """The signals, Ctrl-C or SIGTERM, that came within the block; Python's own answer to them is put off."""
    told: list[int] = []

    def listen(signum: int, _: FrameType | None) -> None:
        told.append(signum)

    before = {signum: signal.signal(signum, listen) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
