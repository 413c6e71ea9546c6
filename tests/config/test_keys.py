"""A key that nothing reads is refused, and an argument reaches the class that it is meant for."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf
from torch import nn

from seqvise.cli.main import main
from seqvise.config.compose import compose, compose_what_fits
from seqvise.config.formats import load_config
from seqvise.config.keys import Key, flatten, is_filled, is_mapping, with_values
from seqvise.config.schema import content, typed
from seqvise.config.validate import validate
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.reports.job import read_job
from seqvise.runs.directory import RunDirectory
from seqvise.runs.load import Run
from seqvise.runs.resume import resumed_config
from seqvise.tasks.optimizers import build_optimizer
from seqvise.tasks.options import OptimizerOptions
from seqvise.training.trainer import build_trainer
from tests.earlier import EARLIER, copy_of
from tests.reports.folders import make_run

PLAIN: dict[str, Any] = {"a": 1, "b": {"c": [2, {"d": 3}], "e": {}, "f": {"g": None}}}
UNREAD = (
    "foo",
    "optimizer.foo",
    "trainer.foo",
    "callbacks.foo",
    "model.foo",
    "model.dropout.encoderr",
    "schedule.foo",
    "loss.foo",
    "data.foo",
    "data.max_tokens.sauce",
    "logger.foo",
    "monitor.foo.bar",
)


@pytest.mark.parametrize(
    ("descend", "leaves"),
    [
        (is_mapping, {("a",): 1, ("b", "c"): [2, {"d": 3}], ("b", "f", "g"): None}),
        (is_filled, {("a",): 1, ("b", "c"): [2, {"d": 3}], ("b", "e"): {}, ("b", "f", "g"): None}),
        (
            lambda _, value: isinstance(value, dict | list),
            {("a",): 1, ("b", "c", "0"): 2, ("b", "c", "1", "d"): 3, ("b", "f", "g"): None},
        ),
        (
            lambda key, _: key == ("b",),
            {("a",): 1, ("b", "c"): [2, {"d": 3}], ("b", "e"): {}, ("b", "f"): {"g": None}},
        ),
    ],
)
def test_a_config_is_flattened_as_far_as_wanted(descend: Callable[[Key, Any], bool], leaves: dict[Key, Any]) -> None:
    assert list(flatten(PLAIN, descend)) == list(leaves.items())


def test_all_added_keys_that_nothing_reads_are_refused_together() -> None:
    errors = validate(compose([f"+{key}=1" for key in UNREAD if key != "logger.foo"]))
    assert sorted(message.partition(":")[0] for message in errors) == sorted(
        "monitor.foo" if key == "monitor.foo.bar" else key for key in UNREAD if key != "logger.foo"
    )
    assert "model.dropout.encoderr: there is no such key; did you mean encoder?" in errors
    assert "optimizer.foo: torch.optim.adam.Adam has no such argument." in errors


@pytest.mark.parametrize("key", UNREAD)
def test_each_added_key_that_nothing_reads_is_refused(key: str) -> None:
    (message,) = validate(compose([f"+{key}=1"]))
    assert message.startswith(key.removesuffix(".bar"))


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "trainer.max_epoch=3",
            "trainer.trainer.Trainer has no such argument; did you mean trainer.max_epochs?",
        ),
        ("+trainer.plugins=[]", "trainer.plugins is set by seqvise: leave it out."),
        ("+optimizer.nesterov=true", "torch.optim.adam.Adam has no such argument."),
        ("+callbacks.extra.a={_target_: pytorch_lightning.callbacks.Timer, durati: 3}", "did you mean duration?"),
        ("+callbacks.extra.a={_target_: pytorch_lightning.callbacks.EarlyStopping}", "missing a required argument"),
        ("+trainer.strategy={_target_: pytorch_lightning.strategies.DDPStrategy, x: 1}", None),
    ],
)
def test_arguments_are_checked_against_the_signature(word: str, sentence: str | None) -> None:
    errors = validate(compose([word]))
    assert [sentence in message for message in errors] == [True] if sentence else errors == []


def test_a_refused_argument_needs_no_torch() -> None:
    program = (
        "import sys\nfrom seqvise.config.compose import compose\nfrom seqvise.config.validate import validate\n"
        "assert len(validate(compose(['+trainer.foo=1', '+optimizer.foo=1', 'schedule.patience=0']))) >= 2\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_arguments_reach_torch_and_lightning(tmp_path: Path) -> None:
    words = ["+optimizer.amsgrad=true", "+trainer.overfit_batches=2", "trainer=cpu", "logger=none"]
    cfg = compose(words)
    assert validate(cfg) == []
    config = typed(cfg)
    assert build_optimizer(nn.Linear(2, 2), config.optimizer).defaults["amsgrad"] is True
    assert vars(build_trainer(config, RunDirectory(tmp_path), []))["overfit_batches"] == 2
    sgd = OptimizerOptions(name="sgd", arguments={"nesterov": True, "foreach": True})
    assert build_optimizer(nn.Linear(2, 2), sgd).defaults["nesterov"] is True
    with pytest.raises(UserError, match=r"optimizer=sgd does not accept optimizer\.nesterov=True"):
        build_optimizer(nn.Linear(2, 2), OptimizerOptions(name="sgd", momentum=0.0, arguments={"nesterov": True}))


def test_arguments_are_kept_in_the_runs_config(tmp_path: Path) -> None:
    config = typed(compose(["optimizer.amsgrad=true", "+trainer.overfit_batches=2"]))
    config.model.task, config.data.root = "tests.Task", "a\\${oc.env:HOME}${b"
    RunDirectory(tmp_path).write_config(config)
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert (written["optimizer"]["amsgrad"], written["trainer"]["overfit_batches"]) == (True, 2)
    assert typed(load_config(tmp_path / "config.yaml", trust=True)) == config
    assert content(config)["optimizer"]["amsgrad"] is True
    cfg = compose(["+optimizer.amsgrad=false"])
    with pytest.raises(UserError, match=r"optimizer\.amsgrad: True -> False"):
        resumed_config(
            cast(DictConfig, OmegaConf.merge(cfg, {"trust": True})),
            tmp_path,
            ["+optimizer.amsgrad=false", "trust=true"],
        )


def test_all_wrong_keys_of_an_own_file_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "# @package _global_\noptimizer: {amsgrad: true, foo: 2}\nbar: 3\nmodel: {dropout: {encoderr: 0.5}}\n"
        "schedule: {wramup: 3}\ntrainer: {max_epoch: 3}\n"
    )
    assert main(["train", "experiment=mine"]) == 2
    lines = capsys.readouterr().err.splitlines()
    keys = ("optimizer.foo:", "bar:", "model.dropout.encoderr:", "schedule.wramup:", "trainer.max_epoch:")
    assert sorted(line.split()[1] for line in lines if ":" in line.split()[1]) == sorted(keys)
    assert lines[-1].endswith("the first is in experiment/mine.yaml.")
    file.write_text("# @package _global_\noptimizer: {amsgrad: true}\ntrainer: {overfit_batches: 2}\n")
    assert typed(compose(["experiment=mine"])).optimizer.arguments == {"amsgrad": True}


def test_an_added_key_of_a_search_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    assert main(["tune", "tune=lr_dropout", "+tune.trails=3"]) == 2
    assert "tune.trails: there is no such key; did you mean trials?" in capsys.readouterr().err


def test_unknown_keys_of_a_former_run_are_ignored_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = copy_of(tmp_path, "runs/translation") / "runs" / "translation" / "config.yaml"
    former = Run.open(file.parent).config
    saved = yaml.safe_load(file.read_text())
    saved["foo"] = saved["model"]["dropout"]["foo"] = saved["data"]["foo"] = saved["optimizer"]["foo"] = 3
    file.write_text(yaml.safe_dump(saved))
    caplog.set_level(logging.WARNING)
    opened = Run.open(file.parent).config
    messages = [message for message in caplog.messages if "without checksums" not in message]
    assert len(messages) == 1
    assert all(key in messages[0] for key in ("foo", "model.dropout.foo", "data.foo"))
    assert (opened.model, opened.data, opened.loss) == (former.model, former.data, former.loss)
    caplog.clear()
    cfg, _ = compose_what_fits(["trainer.max_epochs=9"])
    resumed = resumed_config(cfg, file.parent, ["trainer.max_epochs=9"])
    assert validate(resumed) == []
    assert [message for message in caplog.messages if "optimizer.foo" in message and "ignored" in message]


def test_a_key_that_was_never_read_is_not_listed_as_changed(tmp_path: Path) -> None:
    words = ("+optimizer.amsgrad=true", "+callbacks.extra.a.b=1", "optimizer.lr=1e-3", "+trust=true")
    config = {"optimizer": {"lr": 1e-3}, "callbacks": {"extra": {"a": {"b": 1}}}}
    job = read_job(make_run(tmp_path / "a", config, overrides=words))
    assert job.overrides == {"callbacks.extra.a.b": "1", "optimizer.lr": "1e-3", "trust": "true"}


def test_former_runs_have_no_unknown_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for run in sorted((EARLIER / "runs").glob("*/config.yaml")):
        Run.open(run.parent)
    assert [message for message in caplog.messages if "does not know" in message] == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"beam": "5"}, "beam is '5', but must be a whole number."),
        ({"beam": 2.5}, "beam is 2.5, but must be a whole number."),
    ],
)
def test_a_value_of_another_type_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        with_values(DecodingOptions(), values)
    assert caught.value.messages == (message,)


def test_a_whole_number_is_a_number() -> None:
    assert with_values(DecodingOptions(), {"alpha": 1, "beam": 3}).beam == 3
