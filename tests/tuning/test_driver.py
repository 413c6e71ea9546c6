"""The loop of a search, with fake runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from seqvise.errors import UserError  # noqa: E402
from seqvise.launching.pool import Pool  # noqa: E402
from seqvise.tuning.driver import Driver  # noqa: E402
from seqvise.tuning.options import TuneOptions  # noqa: E402
from seqvise.tuning.space import FloatRange, Parameter, Space  # noqa: E402
from seqvise.tuning.study import Plan, live_trials, open_study  # noqa: E402
from seqvise.tuning.table import best_of, trials_grid  # noqa: E402

from .fakes import METRIC, command  # noqa: E402

ROOT = Path(__file__).parents[2]
SPACE: Space = (Parameter("x", FloatRange(0.0, 100.0)),)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


class Bench:
    """A study in a folder, with predefined values for its trials."""

    def __init__(self, folder: Path, seeds: tuple[int, ...] | None = None, **options: Any) -> None:
        self.folder = folder
        self.options = TuneOptions(**{"trials": 3, "pruner": "none", **options})
        self.plan = Plan(SPACE, METRIC, "max", seeds, ())
        folder.mkdir(exist_ok=True)
        self.study = open_study("bench", url(folder), self.plan, self.options)
        self.fixed: dict[float, dict[str, Any]] = {}

    def queue(self, *values: Mapping[str, Any]) -> None:
        """Queues trials: x, and further arguments of their processes."""
        for args in values:
            self.study.enqueue_trial({"x": args["x"]})
            self.fixed[args["x"]] = dict(args)

    def run(self) -> list[Any]:
        """Runs all trials and returns them."""
        pool = Pool(self.options.jobs, [str(device) for device in self.options.devices or ()])
        devices_per_trial = 1 if self.options.devices else 0
        Driver(self.study, self.plan, self.options, self.folder, self.command, pool, devices_per_trial, poll=0.02).run()
        return live_trials(self.study)

    def command(self, values: Mapping[str, Any], seed: int | None, folder: Path) -> list[str]:
        return command({**self.fixed.get(values["x"], {}), **values}, seed, folder)


def test_trials_are_run_and_reported(tmp_path: Path) -> None:
    bench = Bench(tmp_path, trials=3)
    bench.queue({"x": 1.0}, {"x": 3.0}, {"x": 2.0})
    trials = bench.run()
    assert [trial.value for trial in trials] == [1.0, 3.0, 2.0]
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert (best_of(trials, "max"), best_of(trials, "min")) == (trials[1], trials[0])
    assert json.loads((tmp_path / "1" / "metrics.json").read_text()) == {METRIC: 3.0}


def test_jobs_limits_the_parallel_trials(tmp_path: Path) -> None:
    bench = Bench(tmp_path, trials=5, jobs=2)
    bench.queue(*({"x": float(number), "steps": 4, "pause": 0.1} for number in range(5)))
    spans: dict[int, tuple[float, float]] = {}
    for trial in bench.run():
        spans[trial.number] = trial.datetime_start.timestamp(), trial.datetime_complete.timestamp()
    at_once = [sum(start <= moment < end for start, end in spans.values()) for moment, _ in spans.values()]
    assert max(at_once) == 2


def test_each_trial_has_its_own_device(tmp_path: Path) -> None:
    bench = Bench(tmp_path, trials=4, jobs=3, devices=[4, 6])
    bench.queue(*({"x": float(number), "pause": 0.5} for number in range(4)))
    starts = sorted((trial.datetime_start, trial.datetime_complete, trial.number) for trial in bench.run())
    device = [json.loads((tmp_path / str(number) / "status.json").read_text())["device"] for *_, number in starts]
    assert sorted(device) == ["4", "4", "6", "6"]
    for (_, ended, first), (began, _, second) in combinations(starts, 2):
        assert ended <= began or device[first] != device[second]


def test_a_failed_trial_is_reported_and_the_others_continue(tmp_path: Path) -> None:
    bench = Bench(tmp_path, trials=5)
    bench.queue(*({"x": float(x), "end": end} for x, end in enumerate(["exit", "kill", "silent", "nan", "well"])))
    trials = bench.run()
    assert [trial.state.name for trial in trials] == ["FAIL"] * 4 + ["COMPLETE"]
    assert [trial.user_attrs["why"] for trial in trials] == [
        "it ended with exit code 1: a sentence about 0",
        "it was killed by SIGKILL (the system does so when memory runs out)",
        f"its {METRIC} is absent",
        f"its {METRIC} is nan",
        "",
    ]
    grid = trials_grid(SPACE, METRIC, "max", trials)
    assert grid.lines[0] == ["1", "4", "4", "4", "1", "ok", ""]
    assert grid.lines[1] == ["", "0", "0", "", "", "failed", "it ended with exit code 1: a sentence about 0"]


def test_the_search_ends_after_several_successive_refusals(tmp_path: Path) -> None:
    bench = Bench(tmp_path, trials=9)
    ends = ["refused", "refused", "well", "refused", "exit", *["refused"] * 4]
    bench.queue(*({"x": float(x), "end": end} for x, end in enumerate(ends)))
    with pytest.raises(
        UserError, match=r"The last 3 trials were all refused \(it ended with exit code 2: a sentence about 0\)\."
    ):
        bench.run()
    assert Counter(trial.state.name for trial in bench.study.trials) == {"FAIL": 7, "COMPLETE": 1, "WAITING": 1}


def test_the_value_is_the_mean_over_seeds(tmp_path: Path) -> None:
    bench = Bench(tmp_path, seeds=(0, 1, 5), trials=1)
    bench.queue({"x": 10.0})
    (trial,) = bench.run()
    assert (trial.value, trial.user_attrs["found"]) == (12.0, [10.0, 11.0, 15.0])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"0-seed0", "0-seed1", "0-seed5"}


def test_a_trial_below_the_median_is_pruned(tmp_path: Path) -> None:
    bench = Bench(tmp_path, seeds=(0, 1), trials=4, pruner="median", startup=3)
    bench.queue(*({"x": x, "steps": 4} for x in (10.0, 11.0, 12.0)), {"x": 1.0, "steps": 400, "pause": 0.05})
    trials = bench.run()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3 + ["PRUNED"]
    assert trials[0].intermediate_values == {1: 7.0, 2: 8.0, 3: 9.0, 4: 10.0}
    assert trials[3].user_attrs["why"].startswith(f"pruned at {METRIC}=-398 after validation 1")
    status = json.loads((tmp_path / "3-seed0" / "status.json").read_text())
    assert (status["interrupted"], status["why"]) == (True, trials[3].user_attrs["why"])
    assert int((tmp_path / "3-seed0" / "saved").read_text()) < 50
    assert not (tmp_path / "3-seed1").exists()


def test_a_run_that_finishes_before_its_pruning_counts_unless_further_seeds_follow(tmp_path: Path) -> None:
    for seeds, state in ((0,), "COMPLETE"), ((0, 1), "PRUNED"):
        bench = Bench(tmp_path / state, seeds=seeds, trials=2, pruner="median", startup=1)
        bench.queue({"x": 10.0, "steps": 3}, {"x": 1.0, "steps": 3, "pause": 0.2, "end": "late"})
        trials = bench.run()
        assert trials[1].state.name == state
        assert trials[1].user_attrs["found"] == [1.0]
        assert not (tmp_path / state / "1-seed1").exists()


@pytest.fixture
def start_search(tmp_path: Path) -> Iterator[Any]:
    """Starts processes that search in one folder: six trials of 8 steps, two at a time."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        args = ["search", str(tmp_path), url(tmp_path), "6", "2", "8", "0.25"]
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.tuning.fakes", *args],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def steps(folder: Path) -> dict[str, list[int]]:
    """The validations of each trial's processes, in order."""
    return {
        path.parent.name: [json.loads(line)["step"] for line in path.read_text().splitlines()]
        for path in folder.glob("*/progress.jsonl")
    }


def status_of(path: Path) -> str:
    return str(json.loads(path.read_text())["status"])


def wait_until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def trials_of(folder: Path) -> list[Any]:
    return list(optuna.load_study(study_name="fake", storage=url(folder)).trials)


def check_all_finished(folder: Path) -> None:
    """Each trial made each of its validations once, and no trial is left over."""
    validations = steps(folder)
    assert len(validations) == 6
    assert all(trial_steps == list(range(8)) for trial_steps in validations.values()), validations
    states = Counter(trial.state.name for trial in trials_of(folder))
    assert (states["COMPLETE"], states["RUNNING"], states["WAITING"]) == (6, 0, 0)
    done = [trial for trial in trials_of(folder) if trial.state.name == "COMPLETE"]
    assert len({trial.user_attrs["folder"] for trial in done}) == 6
    assert all(trial.value == pytest.approx(trial.params["x"]) for trial in done)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)])
def test_an_interrupted_search_can_be_resumed(tmp_path: Path, start_search: Any, signum: int, code: int) -> None:
    first = start_search()
    wait_until(lambda: len(steps(tmp_path)) >= 2)
    first.send_signal(signum)
    assert first.wait(30) == code
    before = steps(tmp_path)
    states = Counter(trial.state.name for trial in trials_of(tmp_path))
    assert (states["RUNNING"], states["WAITING"] > 0) == (0, True)
    assert states["WAITING"] == states["FAIL"]
    time.sleep(0.3)
    assert steps(tmp_path) == before
    assert start_search().wait(60) == 0
    check_all_finished(tmp_path)


def test_a_killed_search_loses_no_trial(tmp_path: Path, start_search: Any) -> None:
    first = start_search()
    wait_until(lambda: len(steps(tmp_path)) >= 2)
    first.kill()
    first.wait()
    assert Counter(trial.state.name for trial in trials_of(tmp_path))["RUNNING"] >= 1
    stopped = [tmp_path / name / "status.json" for name in ("0", "1")]
    wait_until(lambda: "running" not in map(status_of, stopped))
    # Its trials received the signal to save when it died.
    assert "failed" in map(status_of, stopped)
    assert start_search().wait(90) == 0
    check_all_finished(tmp_path)


def test_several_processes_share_a_study(tmp_path: Path, start_search: Any) -> None:
    first = start_search()
    wait_until(lambda: (tmp_path / "study.db").exists() and len(steps(tmp_path)) >= 1)
    second = start_search()
    assert (first.wait(90), second.wait(90)) == (0, 0)
    validations = steps(tmp_path)
    assert all(trial_steps == list(range(8)) for trial_steps in validations.values())
    assert 6 <= len(validations) <= 7
