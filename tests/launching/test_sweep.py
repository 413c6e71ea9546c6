"""Names and folders of the jobs of a sweep."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from seqvise.errors import UserError
from seqvise.launching.sweep import (
    SweepFailedError,
    check_folder,
    failed_before,
    job_folder,
    job_name,
    name_in_tensorboard,
    raise_if_failed,
)

OVERRIDES = ["data.limit=9", "experiment=lesson11/rnn,lesson11/attention", "seed=1,2"]
JOB = ["data.limit=9", "experiment=lesson11/rnn", "seed=2"]


def sweep(folder: Path, **more: Any) -> Any:
    hydra = {
        "sweep": {"dir": str(folder), "subdir": "${hydra.job.num}"},
        "overrides": {"task": OVERRIDES},
        "sweeper": {"params": None},
        "job": {"num": "???"},
    }
    logger = {"_target_": "pytorch_lightning.loggers.TensorBoardLogger"}
    return OmegaConf.create({"hydra": hydra, "resume": None, "logger": logger, **more})


def test_runs_are_named_by_their_overrides(tmp_path: Path) -> None:
    config = sweep(tmp_path)
    folder = job_folder(config, JOB, 1, None)
    assert folder == tmp_path / "1"
    folder.mkdir()
    (folder / "events").touch()
    name_in_tensorboard(config, folder, JOB, 1)
    name_in_tensorboard(config, folder, JOB, 1)
    (link,) = (tmp_path / "tensorboard").iterdir()
    assert link.name == "1,lesson11-rnn,seed=2"
    assert not link.readlink().is_absolute(), "the sweep can be moved"
    assert (link / "events").exists()


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["model=rnn", "optimizer.lr=0.001"], "3,rnn,lr=0.001"),
        (["model.dropout.output=0.1", "+callbacks.extra.noise.scale=2", "seed=1"], "3,output=0.1,scale=2,seed=1"),
        (["model.encoder.layers=1", "model.decoder.layers=2"], "3,model.encoder.layers=1,model.decoder.layers=2"),
    ],
)
def test_names_are_as_short_as_they_are_distinct(overrides: list[str], name: str) -> None:
    assert job_name(3, overrides) == name


def test_a_resumed_sweep_keeps_its_longer_links(tmp_path: Path) -> None:
    config, folder = sweep(tmp_path), tmp_path / "1"
    folder.mkdir()
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "1,experiment=lesson11-rnn,seed=2").symlink_to("../1", target_is_directory=True)
    name_in_tensorboard(config, folder, JOB, 1)
    assert [link.name for link in (tmp_path / "tensorboard").iterdir()] == ["1,experiment=lesson11-rnn,seed=2"]


def test_without_tensorboard_no_links_are_made(tmp_path: Path) -> None:
    name_in_tensorboard(sweep(tmp_path, logger=None), tmp_path / "1", JOB, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_custom_subdir_is_composed(tmp_path: Path) -> None:
    config = sweep(tmp_path)
    config.hydra.sweep.subdir = "seed-${seed}-${hydra.job.num}"

    def composed(*_: Any) -> Any:
        hydra = {
            "job": {"num": "???"},
            "sweep": {"subdir": config.hydra.sweep._get_node("subdir")._value()},
            "runtime": {},
        }
        return OmegaConf.create({"seed": 2, "hydra": hydra})

    assert job_folder(config, JOB, 1, SimpleNamespace(load_sweep_config=composed)) == tmp_path / "seed-2-1"


def test_long_names_are_truncated_and_stay_distinct() -> None:
    names = {job_name(1, ["data.root=" + "x" * 400 + end]) for end in "ab"}
    assert len(names) == 2
    assert max(map(len, names)) < 255


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"status": "failed", "why": "CUDA out\nof memory", "interrupted": False}, "CUDA out of memory"),
        ({"status": "failed", "why": "interrupted", "interrupted": True}, None),
        ({"status": "running"}, None),
        ({"status": "ok"}, None),
    ],
)
def test_interrupted_jobs_do_not_count_as_failed(tmp_path: Path, status: dict[str, Any], why: str | None) -> None:
    (tmp_path / "status.json").write_text(json.dumps(status))
    assert failed_before(tmp_path) == why


def test_a_folder_that_holds_a_sweep_is_refused_unless_it_is_resumed(tmp_path: Path) -> None:
    check_folder(sweep(tmp_path))
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "config.yaml").touch()
    check_folder(sweep(tmp_path, resume="auto"))
    with pytest.raises(UserError, match="resume=auto"):
        check_folder(sweep(tmp_path))
    with pytest.raises(UserError, match="resumes a single run"):
        check_folder(sweep(tmp_path, resume=str(tmp_path / "0")))


def test_failed_jobs_are_listed() -> None:
    raise_if_failed({}, 3)
    with pytest.raises(SweepFailedError, match=r"2 of 3 jobs failed. job 0: no; job 2: neither"):
        raise_if_failed({2: "neither", 0: "no"}, 3)
