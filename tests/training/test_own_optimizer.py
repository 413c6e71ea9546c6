"""A schedule and an optimizer of one's own, those of docs/extending.md: one class and one config file each."""

from __future__ import annotations

import csv
import inspect
import re
import shutil
import sys
from pathlib import Path

import pytest
import pytorch_lightning.loggers
import torch
import yaml
from torch import nn

from seqvise.cli.main import main
from seqvise.errors import UserError
from seqvise.tasks.optimizers import build_optimizer
from seqvise.tasks.options import OptimizerOptions

ROOT = Path(__file__).parents[2]
TRAIN = [
    *("train", "data=mine", "data.limit=40", "model=rnn", "model.embedding=8", "model.encoder_hidden=8"),
    *("model.decoder_hidden=8", "trainer=cpu", "trainer.max_epochs=2", "hydra.run.dir=run", "logger=csv"),
    *("trainer.log_every_n_steps=1", "callbacks.progress=false"),
]


@pytest.fixture
def project(here: Path) -> Path:
    """The folder of the worked example."""
    for name in ("mine", "conf", "corpus"):
        shutil.copytree(ROOT / "examples" / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
    for module in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[module]
    return here


def test_both_train(project: Path) -> None:
    assert main([*TRAIN, "optimizer=mine", "schedule=mine", "schedule.warmup=4", "optimizer.lr=0.01"]) == 0
    rates = [
        float(row["train/lr"])
        for row in csv.DictReader((project / "run" / "metrics.csv").open())
        if row.get("train/lr")
    ]
    # 40 pairs in batches of 8 are 5 steps per epoch. Warm-up over 4 of 10 steps; the last fifth decays: 1 at step 8.
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.005])
    saved = yaml.safe_load((project / "run" / "config.yaml").read_text())["optimizer"]
    assert (saved["name"], saved["cautious"], saved["betas"]) == ("mine.optimizer.Lion", True, [0.9, 0.99])
    checkpoint = torch.load(project / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert {name for state in checkpoint["optimizer_states"][0]["state"].values() for name in state} == {"average"}
    assert main(["train", "resume=run", "trainer.max_epochs=3", "schedule.extend=true", "trust=true"]) == 0


def test_wrong_keys_are_refused_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["optimizer=mine", "+optimizer.nesterov=true", "schedule.name=mine.schedule.Lost"]
    assert main([*TRAIN, *wrong]) == 2
    errors = capsys.readouterr().err
    assert "optimizer.nesterov: mine.optimizer.Lion has no such argument." in errors
    assert "schedule.name is 'mine.schedule.Lost', but mine.schedule has no such class." in errors
    assert not (project / "run").exists()


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("optimizer.name=lion", "one of adam, adamw, sgd, or the dotted path of a class, such as torch.optim.RAdam"),
        ("optimizer.name=torch.nn.Linear", "must be a class of torch.optim, or one of your own."),
        ("optimizer.name=mine.model.BagOfWords", "does not extend torch.optim.optimizer.Optimizer."),
        ("optimizer.name=mine.optimizer.Lyon", "mine.optimizer has no such class."),
        ("optimizer=lion", "set optimizer.name to the dotted path of a class"),
        ("optimizer=rmsprop", "set optimizer.name=torch.optim.RMSprop."),
        ("+optimizer._target_=mine.optimizer.Lion", "set optimizer.name=mine.optimizer.Lion."),
        ("+schedule._target_=mine.schedule.Curve", "set schedule.name=mine.schedule.Curve."),
    ],
)
def test_each_mistake_names_the_key(
    project: Path, capsys: pytest.CaptureFixture[str], override: str, answer: str
) -> None:
    assert main([*TRAIN, override]) == 2
    errors = capsys.readouterr().err
    assert answer in errors
    assert len(errors.splitlines()) == 1
    assert not (project / "run").exists()


def test_torchs_other_optimizers_get_the_keys_that_they_have() -> None:
    options = OptimizerOptions("torch.optim.RMSprop", lr=0.5, momentum=0.25, eps=1e-3, arguments={"alpha": 0.5})
    defaults = build_optimizer(nn.Linear(1, 1), options).defaults
    expected = {"lr": 0.5, "momentum": 0.25, "eps": 1e-3, "alpha": 0.5, "weight_decay": 0.0}
    assert {name: defaults[name] for name in expected} == expected
    adam = build_optimizer(nn.Linear(1, 1), OptimizerOptions("torch.optim.RAdam", betas=[0.5, 0.75]))
    assert adam.defaults["betas"] == (0.5, 0.75)


def test_a_value_that_the_class_refuses_is_named() -> None:
    options = OptimizerOptions("torch.optim.RMSprop", arguments={"alpha": -1.0})
    with pytest.raises(UserError, match=r"optimizer.name=torch.optim.RMSprop does not accept .*optimizer.alpha=-1.0: "):
        build_optimizer(nn.Linear(1, 1), options)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("cautious", "expected"), [(False, [0.875, -2.125]), (True, [0.875, -2.0625])])
def test_lion_moves_by_the_sign(monkeypatch: pytest.MonkeyPatch, cautious: bool, expected: list[float]) -> None:
    """The average of the second weight is 2 after a gradient of 4. With a gradient of -1, 0.9 * 2 - 0.1 is above 0: the
    weight falls again, against the sign of its gradient, which the cautious variant does not do."""
    monkeypatch.syspath_prepend(".")
    from mine.optimizer import Lion  # type: ignore[import-not-found,unused-ignore]

    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    lion = Lion([weight], lr=1 / 16, betas=(0.9, 0.5), cautious=cautious)
    for gradient in ([1.0, 4.0], [1.0, -1.0]):
        weight.grad = torch.tensor(gradient)
        lion.step()
    assert weight.tolist() == expected


def test_the_keys_of_the_documented_loggers_are_arguments_of_their_constructors() -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"`conf/logger/(\w+)\.yaml`:\n\n```yaml\n(.*?)```", text, re.S)
    assert [name for name, _ in blocks] == ["mlflow", "wandb"]
    for _, block in blocks:
        node = yaml.safe_load(block)
        package, _, name = node.pop("_target_").rpartition(".")
        assert package == pytorch_lightning.loggers.__name__
        assert set(node) <= set(inspect.signature(getattr(pytorch_lightning.loggers, name)).parameters)


@pytest.mark.parametrize("choice", ["mlflow", "wandb"])
def test_a_documented_logger_is_a_valid_config(here: Path, capsys: pytest.CaptureFixture[str], choice: str) -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    block = re.search(rf"`conf/logger/{choice}\.yaml`:\n\n```yaml\n(.*?)```", text, re.S)
    assert block is not None
    (here / "conf" / "logger").mkdir(parents=True)
    (here / "conf" / "logger" / f"{choice}.yaml").write_text(block[1])
    assert main(["train", f"logger={choice}", "+logger.nonsense=1", "trainer.max_epochs=0"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert any(line.startswith("seqvise: trainer.max_epochs is 0") for line in errors)
    assert any("logger.nonsense" in line for line in errors) == (choice == "mlflow")
