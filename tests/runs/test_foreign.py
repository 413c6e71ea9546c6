"""A run directory from someone else runs no code, unless its reader trusts it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from seqvise.cli.main import main
from seqvise.config.registry import class_paths, path_errors
from tests import forked
from tests.earlier import EARLIER, copy_of

EVIL = """
from pathlib import Path
Path("ran").touch()
import torch
import pytorch_lightning as pl
class Model(torch.nn.Module): ...
class Task(pl.LightningModule): ...
class Callback(pl.Callback): ...
"""
Change = Callable[[dict[str, Any]], None]


def set_to(key: str, value: object) -> Change:
    """Sets a full key of a config."""

    def change(config: dict[str, Any]) -> None:
        node: Any = config
        *names, last = key.split("/")
        for name in names:
            node = node[name]
        node[last] = value

    return change


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a module whose import leaves a file."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text(EVIL)
    return tmp_path


def foreign(folder: Path, name: str, change: Change) -> Path:
    """A copy of a run, its config.yaml changed."""
    file = copy_of(folder, f"runs/{name}") / "runs" / name / "config.yaml"
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content))
    return file.parent


CALLS: dict[str, tuple[Change, str]] = {
    "a function as strategy": (
        set_to("trainer/strategy", {"_target_": "builtins.print", "sep": "!"}),
        "trainer.strategy._target_ is 'builtins.print'",
    ),
    "a function of torch": (
        set_to("trainer/strategy", {"_target_": "torch.hub.load"}),
        "trainer.strategy._target_ is 'torch.hub.load', but must be a class of pytorch_lightning.strategies",
    ),
    "a function of the right module": (
        set_to("logger/_target_", "pytorch_lightning.loggers.csv_logs.rank_zero_only"),
        "pytorch_lightning.loggers.csv_logs has a function of that name, not a class",
    ),
    "another class of Lightning": (
        set_to("logger/_target_", "pytorch_lightning.callbacks.Timer"),
        "logger._target_ is 'pytorch_lightning.callbacks.Timer', but must be a class of pytorch_lightning.loggers",
    ),
    "a nested call": (
        set_to("logger/name", {"_target_": "builtins.print"}),
        "logger.name._target_ is 'builtins.print', but this key cannot name a class",
    ),
    "a nested call in a list": (
        set_to("callbacks/extra", {"a": {"_target_": "pytorch_lightning.callbacks.Timer", "b": [{"_target_": "a.b"}]}}),
        "callbacks.extra.a.b.0._target_ is 'a.b'",
    ),
    "a private module": (
        set_to("callbacks/extra", {"a": {"_target_": "pytorch_lightning.callbacks.__main__.Timer"}}),
        "callbacks.extra.a._target_",
    ),
    "a part of a model": (
        set_to("model/_target_", "seqvise.models.recurrent.layers.Dropout"),
        "model._target_ is 'seqvise.models.recurrent.layers.Dropout'",
    ),
    "a model of torch": (set_to("model/_target_", "torch.nn.Linear"), "model._target_ is 'torch.nn.Linear'"),
    "a task of torch": (set_to("model/task", "torch.nn.Linear"), "model.task is 'torch.nn.Linear'"),
    "a backbone that is called": (set_to("data/backbone", "os.abort"), "data.backbone is 'os.abort'"),
    "a module of the working folder": (set_to("model/_target_", "evil.Model"), "add trust=true if you trust"),
    "a task of the working folder": (set_to("model/task", "evil.Task"), "model.task is 'evil.Task'"),
    "a callback of the working folder": (
        set_to("callbacks/extra", {"a": {"_target_": "evil.Callback"}}),
        "callbacks.extra.a._target_ is 'evil.Callback'",
    ),
    "a file that trusts itself": (
        lambda config: config.update(trust=True, model=config["model"] | {"_target_": "evil.Model"}),
        "model._target_ is 'evil.Model'",
    ),
    "a variable of the environment": (set_to("data/root", "${oc.env:HOME}"), "data.root is '${oc.env:HOME}'"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_foreign_config_runs_nothing(here: Path, call: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, sentence = CALLS[call]
    run = foreign(here, "translation", change)
    commands = [["train", f"resume={run}", "trainer.max_epochs=5", "schedule.extend=true"]]
    if "model" in sentence or "trust" in sentence or "${" in sentence:  # all that translating would import or resolve
        commands.append(["translate", f"run={run}", f"input={EARLIER / 'expected' / 'source.fr'}", "device=cpu"])
    for words in commands:
        assert main(words) == 2
        captured = capsys.readouterr()
        assert sentence in captured.err
        assert "!" not in captured.out
    assert not (here / "ran").exists()


COMMANDS = {
    "translate": ["run=runs/translation", "input=in.txt"],
    "evaluate": ["run=runs/translation", "source=in.txt", "target=in.txt"],
    "shortlist": ["run=runs/translation", "output=short.tsv"],
    "average": ["run=runs/translation"],
    "export": ["run=runs/translation", "output=exported"],
    "classify": ["run=runs/translation", "input=in.txt"],
    "encoder": ["run=runs/translation", "output=encoder"],
    "search": ["run=runs/translation", "query=red"],
    "index": ["run=runs/translation", f"images={EARLIER / 'images'}"],
    "train": ["resume=runs/translation"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_loads_a_run_asks_for_trust(
    here: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign(here, "translation", set_to("model/_target_", "evil.Model"))
    (here / "runs" / "translation" / "status.json").unlink()
    (here / "in.txt").write_text("où ?\n")
    assert main([command, *COMMANDS[command]]) == 2
    assert "model._target_ is 'evil.Model'" in (errors := capsys.readouterr().err)
    assert "add trust=true" in errors
    assert not (here / "ran").exists()
    main([command, *COMMANDS[command], "trust=true"])  # fails where it needs the model: this one cannot translate
    assert (here / "ran").exists()
    assert "trust=true" not in capsys.readouterr().err


def test_a_run_that_a_config_starts_from_needs_trust_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign(here, "language_model", set_to("model/_target_", "evil.Model"))
    sizes = ["model.embedding=8", "model.hidden=6", "model.layers=2"]
    words = ["model=awd_lstm", "data=text_lines", "data.root=.", "data.train=in.txt", "data.language=en", *sizes]
    (here / "in.txt").write_text("who is there ?\n" * 200)
    (here / "valid.txt").write_text("who is there ?\n" * 20)
    added = ["data.valid=valid.txt", "monitor.metric=val/loss", "monitor.mode=min", "data.batch_size=2", "trainer=cpu"]
    assert main(["train", *words, *added, "model.encoder=runs/language_model", "logger=none"]) == 2
    assert "add trust=true" in capsys.readouterr().err
    assert not (here / "ran").exists()


def test_a_resumed_run_of_a_trusted_class_keeps_none_of_the_trust(here: Path) -> None:
    """Runs the console script in a separate process, whose import path lacks the working directory."""
    run = foreign(here, "translation_killed", set_to("callbacks/extra", {"a": {"_target_": "evil.Callback"}}))
    program = ["-P", "-m", "seqvise.cli.main", "train"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [f"resume={run}", f"paths.cache={here / 'cache'}", f"logger.save_dir={run}"]

    def code(*added: str) -> int:
        return forked.run([*program, *words, *added], cwd=here, env=environment).returncode

    assert (code(), (here / "ran").exists()) == (2, False)
    assert (code("trust=true"), (here / "ran").exists()) == (0, True)
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert saved["callbacks"]["extra"] == {"a": {"_target_": "evil.Callback"}}
    (here / "ran").unlink()
    assert (code("trainer.max_epochs=9", "schedule.extend=true"), (here / "ran").exists()) == (2, False)


@pytest.mark.parametrize("path", sorted(EARLIER.glob("runs/*/config.yaml")), ids=lambda path: path.parent.name)
def test_configs_of_earlier_revisions_need_no_trust(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert {key for key, _, _ in class_paths(content)} >= {"model._target_", "model.task", "logger._target_"}
    assert path_errors(content, trust=False) == []


def test_classes_that_the_command_line_names_are_trusted() -> None:
    content = {"model": {"_target_": "mine.Model", "task": "mine.Task"}, "logger": None}
    assert len(path_errors(content, trust=False)) == 2
    assert len(path_errors(content, trust=False, named=["mine.Model"])) == 1
    assert path_errors(content) == []


def test_the_users_config_refuses_nested_calls_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "+logger.x._target_=evil.Model", "+trainer.y=[{_target_: evil.Model}]"]) == 2
    errors = capsys.readouterr().err
    assert "logger.x._target_ is 'evil.Model'" in errors
    assert "trainer.y.0._target_ is 'evil.Model'" in errors
    assert not (here / "ran").exists()
