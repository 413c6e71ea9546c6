"""The study in its database, compared with the requested plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from seqvise.errors import UserError
from seqvise.tuning.options import TuneOptions
from seqvise.tuning.space import Choices, FloatRange, Parameter, suggest
from seqvise.tuning.study import RESUMED_TRIAL, Plan, count_started, live_trials, open_study, requeue, requeue_abandoned
from seqvise.tuning.table import best_of, trials_grid, values_of

optuna = pytest.importorskip("optuna")

LR = Parameter("optimizer.lr", FloatRange(0.001, 0.1, log=True))
BETAS = Parameter("optimizer.betas", Choices(([0.9, 0.98], [0.5, 0.75], None)))
PLAN = Plan((LR, BETAS), "val/bleu", "max", None, ("model=rnn", "data=tatoeba"))


def open_in(folder: Path, plan: Plan = PLAN, name: str = "one", **options: Any) -> Any:
    return open_study(name, f"sqlite:///{folder / 'study.db'}", plan, TuneOptions(**options))


def test_a_different_study_is_refused(tmp_path: Path) -> None:
    open_in(tmp_path)
    open_in(tmp_path, replace(PLAN, overrides=PLAN.overrides[::-1], space=PLAN.space[::-1]), trials=3)
    wider = Parameter("optimizer.lr", FloatRange(0.001, 0.5, log=True))
    for plan, part in [
        (replace(PLAN, space=(wider, BETAS)), "has a different search space (it differs in optimizer.lr)"),
        (replace(PLAN, space=(LR,)), "has a different search space (it differs in optimizer.betas)"),
        (replace(PLAN, metric="val/chrf"), "with monitor.metric=val/bleu, but now it is val/chrf"),
        (replace(PLAN, mode="min"), "with monitor.mode=max, but now it is min"),
        (replace(PLAN, seeds=(0, 1)), "with tune.seeds=None, but now it is [0, 1]"),
        (replace(PLAN, overrides=("model=full", "data=tatoeba")), "(it has model=rnn; it lacks model=full)"),
    ]:
        with pytest.raises(UserError, match="The study 'one'") as refused:
            open_in(tmp_path, plan)
        assert any(part in problem for problem in refused.value.messages), part
        assert all(
            problem.endswith("choose another tune.name, or use the earlier settings.")
            for problem in refused.value.messages
        )
    optuna.create_study(study_name="own", storage=f"sqlite:///{tmp_path / 'study.db'}").ask()
    with pytest.raises(UserError, match="'own' in the database was not made by seqvise tune"):
        open_in(tmp_path, name="own")


def test_a_study_with_former_names_is_resumed(tmp_path: Path) -> None:
    former = ("monitor.metric=val/lesson_loss", "monitor.mode=min", "experiment=seed/rnn")
    name = ("monitor.metric=val/loss_free_padded", "monitor.mode=min", "experiment=lesson11/rnn")
    open_in(tmp_path, replace(PLAN, metric="val/lesson_loss", mode="min", overrides=former))
    plan = replace(PLAN, metric="val/loss_free_padded", mode="min", overrides=name)
    assert open_in(tmp_path, plan).direction.name == "MINIMIZE"
    with pytest.raises(UserError, match=r"with monitor\.metric=val/loss_free_padded, but now it is val/loss_free:"):
        open_in(tmp_path, replace(plan, metric="val/loss_free"))


def test_a_resumed_search_draws_new_values(tmp_path: Path) -> None:
    def drawn(**options: Any) -> dict[str, Any]:
        study = open_in(tmp_path, **options)
        trial = study.ask()
        return suggest(PLAN.space, trial)

    first, second = (drawn(sampler="random", sampler_seed=3) for _ in range(2))
    assert first["optimizer.lr"] != second["optimizer.lr"]


def test_an_interrupted_trial_is_queued_with_its_values_and_counts_once(tmp_path: Path) -> None:
    study = open_in(tmp_path)
    trial = study.ask()
    values = suggest(PLAN.space, trial)
    trial.set_user_attr("folder", "0")
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    requeue(study, study.trials[0])
    (waiting,) = live_trials(study)
    assert (waiting.number, waiting.user_attrs, count_started([waiting])) == (1, {"folder": "0", RESUMED_TRIAL: 0}, 0)
    retried = study.ask()
    assert (retried.number, suggest(PLAN.space, retried)) == (1, values)
    assert count_started(live_trials(study)) == 1


def test_a_trial_killed_before_its_first_heartbeat_is_queued_again(tmp_path: Path) -> None:
    study = open_in(tmp_path)
    long_ago = datetime.now() - timedelta(hours=1)
    ages = {"never alive": long_ago, "young": datetime.now(), "running": long_ago}
    for name, start in ages.items():
        attributes = {"folder": name} if name == "running" else {}
        trial = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, user_attrs=attributes)
        trial.datetime_start = start
        study.add_trial(trial)
    requeue_abandoned(study)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "RUNNING", "RUNNING", "WAITING"]
    assert study.trials[3].user_attrs[RESUMED_TRIAL] == 0


def test_the_table_has_the_best_first_and_shows_lists(tmp_path: Path) -> None:
    study = open_in(tmp_path)
    for label, state, value in [
        ("[0.5, 0.75]", "COMPLETE", 3.0),
        (None, "PRUNED", 9.0),
        ("[0.9, 0.98]", "COMPLETE", 4.0),
        (None, "FAIL", None),
    ]:
        params = {"optimizer.lr": 0.0123456, "optimizer.betas": label}
        distributions = {
            "optimizer.lr": optuna.distributions.FloatDistribution(0.001, 0.1, log=True),
            "optimizer.betas": optuna.distributions.CategoricalDistribution(["[0.9, 0.98]", "[0.5, 0.75]", None]),
        }
        attributes = {"found": [value] if state == "COMPLETE" else [], "why": "" if value == 3.0 else "so"}
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[state],
                params=params,
                distributions=distributions,
                value=value,
                user_attrs=attributes,
            )
        )
    trials = live_trials(study)
    grid = trials_grid(PLAN.space, "val/bleu", "max", trials)
    assert grid.head == ["", "trial", "optimizer.lr", "optimizer.betas", "val/bleu", "n", "state", "why"]
    assert grid.lines == [
        ["1", "2", "0.0123456", "[0.9, 0.98]", "4", "1", "ok", ""],
        ["2", "0", "0.0123456", "[0.5, 0.75]", "3", "1", "ok", ""],
        ["", "1", "0.0123456", "null", "(9)", "", "pruned", "so"],
        ["", "3", "0.0123456", "null", "", "", "failed", "so"],
    ]
    best = best_of(trials, "max")
    assert best is not None
    assert values_of(PLAN.space, best) == {"optimizer.lr": 0.0123456, "optimizer.betas": [0.9, 0.98]}
    assert best_of([trials[1], trials[3]], "max") is None
