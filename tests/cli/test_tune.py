"""`seqvise tune`: what is refused, and a search with real trainings."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml

from seqvise.cli import report, runs, tune
from seqvise.config.compose import compose
from seqvise.config.overrides import override
from seqvise.config.schema import typed
from seqvise.config.search_path import choices, conf_folder
from seqvise.tuning import plan
from seqvise.tuning.plan import Search, plan_search
from seqvise.tuning.space import FloatRange, IntRange
from tests.cli.test_process import run
from tests.cli.test_sweep import WATCH, ranks

optuna = pytest.importorskip("optuna")

MessagesOf = Callable[..., list[str]]
LR = "+tune.space.optimizer.lr={type: float, low: 1e-3, high: 1e-2, log: true}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture
def messages_of(capsys: pytest.CaptureFixture[str]) -> MessagesOf:
    """The sentences with which words are refused."""

    def refused(*words: str) -> list[str]:
        assert tune.main(words) == 2
        return [line.removeprefix("seqvise: ") for line in capsys.readouterr().err.splitlines()]

    return refused


def test_help_and_refusals_are_light_and_leave_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, "tune", "--help")[0] == {"code": 0, "heavy": []}
    ended, sentences = run(tmp_path, "tune", "tune=lr_dropot", "tune.trials=0", "tune.trails=3", "model.embeding=3")
    assert ended == {"code": 2, "heavy": []}
    assert len(sentences.splitlines()) == 4
    for part in ("did you mean lr_dropout?", "tune.trials is 0", "did you mean tune.trials?", "model.embedding?"):
        assert part in sentences
    assert list(tmp_path.iterdir()) == []


CLASHES = {
    LR: "",
    "+tune.space.paths.data={type: categorical, choices: [a]}": "tune.space.paths.data is not a hyperparameter",
    "optimizer.lr=1": "optimizer.lr is both fixed (optimizer.lr=1) and searched (tune.space)",
    "optimizer.momentum=-1": "optimizer.momentum is -1",
    "model=atention": "did you mean attention?",
    "resume=auto": "resume=auto: each trial has its own resume; remove this override.",
    "hydra.run.dir=x": "each trial has its own hydra.run.dir",
    "seed=3": "seed is fixed (seed=3), but tune.seeds sets it for each run",
    "monitor.mode=min": "monitor.mode is min, but a larger val/bleu is better",
    "tune.seeds=0,1": "",
    "tune.devices=1,1": "tune.devices is [1,1], but must be different numbers",
    "tune.sampler=tpee": "tune.sampler is 'tpee'",
    "tune.name=a/b": "tune.name is 'a/b'",
}
CORNERS = {
    "+tune.space.optimizer.lr={type: float, low: -1, high: 1}": "optimizer.lr is -1",
    "+tune.space.model.dropot.scale={type: float, low: 0, high: 1}": "did you mean model.dropout.scale?",
    "+tune.space.model.cell={type: categorical, choices: [gru, gro]}": "model.cell is 'gro'",
    "+tune.space.model.encoder_layers={type: categorical, choices: [1, x]}": "encoder_layers=x: the value must be",
    "+tune.space.tokenizer={type: categorical, choices: [words, worts]}": "tokenizer has no choice 'worts'",
}


@pytest.mark.parametrize("wrong", [CLASHES, CORNERS], ids=["fixed", "searched"])
def test_all_invalid_values_are_reported_together(here: Path, messages_of: MessagesOf, wrong: dict[str, str]) -> None:
    sentences = messages_of(*wrong)
    parts = [part for part in wrong.values() if part]
    assert [part for part in parts if not any(part in sentence for sentence in sentences)] == []
    assert len(sentences) == len(parts)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "tune=NAME is missing: set a search space, one of devise, lr_dropout, optimizer."),
        (["+tune.space.seed={type: int, low: 0, high: 9}"], "tune.space.seed is not a hyperparameter; tune.seeds"),
        (["tune=lr_dropout", "-m"], "-m: seqvise tune takes only key=value arguments"),
        (["tune=lr_dropout", "+tune.space.optimizer.lr.low=1"], "low is 1 and high is 0.01; swap them"),
        (["+tune.space.optimizer.name={type: categorical, choices: []}"], "tune.space.optimizer.name.choices is empty"),
        ([LR, "monitor.metric=val/loss", "monitor.mode=max"], "monitor.mode is max, but a smaller val/loss is better"),
        ([LR, "tune.best=best.yaml"], "tune.best is best.yaml, but must be a .yaml file in a folder named experiment"),
    ],
)
def test_an_invalid_value_has_one_message(here: Path, messages_of: MessagesOf, words: list[str], part: str) -> None:
    (sentence,) = messages_of(*words)
    assert part in sentence
    assert list(here.iterdir()) == []


def test_the_space_of_a_file_is_changed_by_the_command() -> None:
    narrowed = ["tune.space.optimizer.lr.low=1e-3", "~tune.space.model.dropout.scale"]
    added = "tune.space.model.encoder_layers={type: int, low: 1, high: 2}"
    search = searches("tune=lr_dropout", "model=attention", *narrowed, added)
    assert [(parameter.key, parameter.range) for parameter in search.plan.space] == [
        ("optimizer.lr", FloatRange(1e-3, 1e-2, log=True)),
        ("model.encoder_layers", IntRange(1, 2)),
    ]
    assert search.name == "lr_dropout-attention"
    assert search.overrides == ("model=attention",)


WRONG_CHANGES = {
    "tune.space.optimizer.lrr.low=1": "the search space has no optimizer.lrr.low; did you mean optimizer.lr.low?",
    "~tune.space.model.dropout.scal": "the search space has no model.dropout.scal; did you mean model.dropout.scale?",
    "tune.space.optimizer.lr=1e-3": "drop the entry and set the key: '~tune.space.optimizer.lr' optimizer.lr=1e-3.",
    "tune.space.optimizer.lr.lo=1e-3": "tune.space.optimizer.lr.lo: unknown key for type float",
    "tune.space.model.dropout.scale.low=0,1": "this is a sweep over several values, but must be one value",
    "tune.space.model.dropout.scale={low: 0": "a bracket is not closed",
}


def test_all_wrong_changes_of_the_space_are_reported_together(here: Path, messages_of: MessagesOf) -> None:
    sentences = messages_of("tune=lr_dropout", *WRONG_CHANGES)
    assert [part for part in WRONG_CHANGES.values() if not any(part in sentence for sentence in sentences)] == []
    assert len(sentences) == len(WRONG_CHANGES)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["tune=lr_dropout", "~tune.space.model", "~tune.space.optimizer"], "tune.space is empty: its last entry was"),
        (["tune=lr_dropot", "tune.space.optimizer.lr.low=1"], "did you mean lr_dropout?"),
        (["tune=optimizer", "~tune.space.optimizer"], "names optimizer, which is not searched before it"),
        (["tune=lr_dropout", "optimizer.lr=1e-3"], "'~tune.space.optimizer.lr' drops it from the search space"),
    ],
)
def test_a_change_that_leaves_no_valid_space_is_refused(messages_of: MessagesOf, words: list[str], part: str) -> None:
    assert part in messages_of(*words)[0]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:////nowhere/study.db", "unable to open database file"),
        ("nonsense", "Could not parse"),
        ("postgresql://me:secret@127.0.0.1:1/x", "tune.storage=postgresql://me:***@127.0.0.1:1/x cannot be reached"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_reported(here: Path, messages_of: MessagesOf, url: str, why: str) -> None:
    (sentence,) = messages_of(LR, f"tune.storage={url}")
    assert why in sentence
    assert "secret" not in sentence
    assert list(here.iterdir()) == []


def test_without_optuna_the_message_names_the_extra(messages_of: MessagesOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "find_spec", {}.get)
    assert messages_of("tune=lr_dropout") == ["seqvise tune needs Optuna: pip install 'seqvise[tune]'."]


def test_a_file_that_is_another_is_not_written_over(here: Path, messages_of: MessagesOf) -> None:
    file = here / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\nseed: 3\n")
    (sentence,) = messages_of(LR, f"tune.best={file}")
    assert "already exists and was not written by seqvise tune" in sentence


def searches(*words: str) -> Search:
    with patch("seqvise.config.validate.find_spec"):  # whatever is installed here
        return plan_search(words)


BASES = {"devise": ["experiment=pictures"]}


@pytest.mark.parametrize("name", choices("tune"))
def test_every_shipped_space_is_valid_and_explained(name: str) -> None:
    search = searches(f"tune={name}", *BASES.get(name, ["model=transformer"]))
    assert search.name == f"{name}-{'pictures' if name in BASES else 'transformer'}"
    text = (conf_folder() / "tune" / f"{name}.yaml").read_text(encoding="utf-8")
    for parameter in search.plan.space:
        above = text[: text.index(f"\n  {parameter.key}:")].splitlines()
        assert above[-1].startswith("  #"), parameter.key


def test_the_words_of_a_trial() -> None:
    search = searches("tune=lr_dropout", "model=attention", "data.root='a b'", "logger=csv", "tune.seeds=3,1")
    words = search.command({"optimizer.lr": 1e-05, "optimizer.betas": [0.5, 0.6]}, 3, Path("/o/a, b"))
    start = ["-m", "seqvise.cli.main", "train", "test=false", "model=attention", "data.root='a b'", "logger=csv"]
    values = ["optimizer.lr=1e-05", "optimizer.betas=[0.5,0.6]", "seed=3", "hydra.run.dir='/o/a, b'"]
    assert words[1:] == [*start, *values]
    # Where data lie and what is logged may be another on each machine.
    assert (search.plan.overrides, search.plan.seeds) == (("model=attention",), (3, 1))


NAME = "it's a study, with=signs"
SMALL = [
    "data.limit=48",
    "data.batch_size=4",
    "model=attention",
    "model.embedding=12",
    "model.encoder_hidden=6",
    "model.decoder_hidden=12",
    "vectors.dim=12",
    "trainer=ddp_cpu",
    "trainer.devices=2",
    "trainer.max_epochs=2",
    "trainer.limit_val_batches=1",
    "logger=none",
    "monitor.metric=val/loss",
    "monitor.mode=min",
    "+callbacks.extra.watch._target_=watch.Watch",
    override("tune.name", NAME),
    "tune.trials=2",
    "tune.sampler=random",
    LR,
    "+tune.space.optimizer.betas={type: categorical, choices: [[0.9, 0.98], [0.5, 0.75]]}",
]


@pytest.mark.timeout(600)
def test_a_search_with_real_trainings_of_two_processes_each(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "watch.py").write_text(WATCH)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]))
    assert tune.main(SMALL) == 0
    out = capsys.readouterr().out
    folder = here / "outputs" / "tune" / NAME
    study = optuna.load_study(study_name=folder.name, storage=f"sqlite:///{folder / 'study.db'}")
    values = [json.loads((folder / name / "metrics.json").read_text())["val/loss"] for name in ("0", "1")]
    assert [trial.value for trial in study.trials] == values
    best = folder / str(values.index(min(values)))
    assert [len(trial.intermediate_values) for trial in study.trials] == [2, 2]
    for trial in study.trials:
        seen = ranks(here, trial.number)
        assert [rank["world"] for rank in seen] == [2, 2]
        assert {rank["lr"] for rank in seen} == {trial.params["optimizer.lr"]}
        assert {rank["folder"] for rank in seen} == {str(folder / str(trial.number))}
        assert sorted(row for rank in seen for row in rank["rows"]) == sorted([*range(48), *range(48)])

    (line,) = [line for line in out.splitlines() if line.startswith("best: ")]
    file = Path(line.removeprefix("best: "))
    text = file.read_text(encoding="utf-8")
    assert f"trial {best.name}, the best of 2 of the study '{folder.name}'" in text
    assert f"# val/loss is {min(values):.6g}" in text
    with patch("seqvise.config.schema.own_folder", return_value=file.parents[1]):
        config = typed(compose([override("experiment", file.stem)]))
    trained = yaml.safe_load((best / "config.yaml").read_text())
    assert (config.optimizer.lr, config.optimizer.betas) == (trained["optimizer"]["lr"], trained["optimizer"]["betas"])
    assert (config.model.embedding, config.trainer.max_epochs) == (12, 2)

    assert report.main([f"sweep={folder}"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("2 configurations, 2 of 2 jobs done, smallest val/loss first\n")
    assert any("optimizer.lr" in line and "val/loss" in line for line in output.splitlines()[1:8])
    assert runs.main(["folder=outputs"]) == 0
    assert NAME in capsys.readouterr().out

    # The same command has no trials left to run.
    assert tune.main(SMALL) == 0
    assert len(study.trials) == 2


def test_trials_of_a_lost_database_are_not_mixed_with_others(here: Path, messages_of: MessagesOf) -> None:
    (here / "outputs" / "tune" / "one" / "0").mkdir(parents=True)
    (sentence,) = messages_of(LR, "tune.name=one")
    assert "has trials of a study that is not in this database (0)" in sentence
