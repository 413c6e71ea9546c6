"""The trainer of a config."""

from pathlib import Path

import pytest
from pytorch_lightning.strategies import DDPStrategy

from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.runs.directory import RunDirectory
from seqvise.training.trainer import build_trainer


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn", "ddp_fork_find_unused_parameters_true"])
def test_processes_are_started_and_never_copied(tmp_path: Path, strategy: str) -> None:
    config = typed(compose(["trainer=ddp_cpu", f"trainer.strategy={strategy}", "logger=none"]))
    built = build_trainer(config, RunDirectory(tmp_path), []).strategy
    assert isinstance(built, DDPStrategy)
    assert built._start_method == "popen"
    assert built._ddp_kwargs.get("find_unused_parameters", False) is strategy.endswith("true")
