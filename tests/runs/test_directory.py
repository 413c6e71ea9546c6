"""The run directory: written, read back, and honest about how the run ended."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.errors import RunFailedError, UserError
from seqvise.runs.directory import RunDirectory, is_first_process
from seqvise.runs.load import Run


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_config_comes_back_with_its_types(tmp_path: Path) -> None:
    config = typed(compose(["experiment=lesson11/attention", "data=tatoeba", "vectors=none", "paths.run=here"]))
    RunDirectory(tmp_path).write_config(config)
    assert Run.open(tmp_path).config == config


def test_status_is_running_then_ok(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run.recorded():
        assert read(tmp_path / "status.json")["status"] == "running"
    assert read(tmp_path / "status.json")["status"] == "ok"


def test_a_failure_is_recorded_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), RunDirectory(tmp_path).recorded():
        raise RuntimeError("the loss is nan")
    status = read(tmp_path / "status.json")
    assert (status["status"], status["why"], status["interrupted"]) == ("failed", "the loss is nan", False)


def test_an_interrupt_is_recorded_as_one(tmp_path: Path) -> None:
    def as_lightning_does() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    with pytest.raises(SystemExit), RunDirectory(tmp_path).recorded():
        as_lightning_does()
    status = read(tmp_path / "status.json")
    assert (status["status"], status["interrupted"]) == ("failed", True)


def test_metrics_are_one_flat_object(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_metrics({"val/bleu": 51.5, "device": "cpu", "epoch": 3})
    assert read(tmp_path / "metrics.json") == {"val/bleu": 51.5, "device": "cpu", "epoch": 3}


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"RANK": "4", "LOCAL_RANK": "0"}, False),
        ({"SLURM_PROCID": "2"}, False),
    ],
)
def test_only_the_first_process_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], first: bool
) -> None:
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is first
    RunDirectory(tmp_path).write_metrics({})
    assert (tmp_path / "metrics.json").exists() is first


def test_a_folder_that_is_not_a_run_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no config\.yaml"):
        Run.open(tmp_path)


def test_a_config_of_another_shape_is_reported(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data:\n  wings: 2\n")
    with pytest.raises(UserError, match="cannot be read"):
        Run.open(tmp_path)


def test_the_best_checkpoint_is_preferred_to_the_last(tmp_path: Path) -> None:
    config = typed(compose())
    directory = RunDirectory(tmp_path)
    directory.write_config(config)
    directory.checkpoints.mkdir()
    run = Run(tmp_path, config)
    (directory.checkpoints / "last.ckpt").touch()
    assert run.checkpoint().name == "last.ckpt"
    (directory.checkpoints / "best.ckpt").touch()
    assert run.checkpoint().name == "best.ckpt"


def test_environments_of_earlier_starts_are_kept(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    for device in ("cpu", "H200", "H100"):
        directory.write_environment({"device": device})
    environment = json.loads((tmp_path / "env.json").read_text())
    assert environment == {"device": "H100", "before": [{"device": "cpu"}, {"device": "H200"}]}


def test_a_run_without_checkpoint_reports_its_status(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    with pytest.raises(RuntimeError), directory.recorded():
        raise RuntimeError("no space left")
    with pytest.raises(UserError, match="status: failed, no space left"):
        Run(tmp_path, typed(compose())).checkpoint()


def test_an_unexpected_error_becomes_a_sentence_and_its_traceback_goes_to_the_log(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError) as caught, RunDirectory(tmp_path).recorded():
        raise KeyError("wings")
    assert str(caught.value) == f"KeyError: 'wings'. The traceback is in {tmp_path / 'train.log'}."
    assert isinstance(caught.value.__cause__, KeyError)
    assert "Traceback" in (tmp_path / "train.log").read_text()


def test_a_persons_mistake_is_no_failure_of_ours(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^wrong$"), RunDirectory(tmp_path).recorded():
        raise UserError("wrong")
    assert not (tmp_path / "train.log").exists()
