"""A refused command or a dry run changes no file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from seqvise.cli.main import main
from seqvise.config.compose import compose
from seqvise.runs.resume import has_finished, holds_run, is_new_run
from tests.earlier import copy_of
from tests.forked import forked_jobs  # noqa: F401

TRANSLATION = "runs/translation"
KILLED = "runs/translation_killed"
CLASSIFIER = "runs/classifier_killed"


@pytest.fixture
def here(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, which holds the cache."""
    monkeypatch.setenv("SEQVISE_CACHE", str(here / "cache"))
    return here


def train(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int:
    monkeypatch.setattr(sys, "argv", ["seqvise", "train", *overrides])
    return main()


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for the log and the lock."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("train.log", ".lock")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("run", "overrides", "sentence"),
    [
        (TRANSLATION, ["resume={run}", "trainer.max_epochs=5", "paths.cache=cache"], "schedule.extend=true"),
        (TRANSLATION, ["resume={run}", "trainer.max_epochs=5", "optimizer.lr=1"], "optimizer.lr: 0.02 -> 1.0"),
        (TRANSLATION, ["resume={run}"], "has already finished"),
        (TRANSLATION, ["hydra.run.dir={run}"], "already has a run"),
        (TRANSLATION, ["hydra.run.dir={run}", "resume=auto", "trainer.max_epochs=5"], "schedule.extend=true"),
        (KILLED, ["resume={run}", "trainer.max_epochs=5", "paths.cache=cache"], "schedule.extend=true"),
        (KILLED, ["resume={run}", "optimizer.lr=1"], "optimizer.lr: 0.02 -> 1.0"),
        (KILLED, ["resume={run}", "callbacks.patience=0"], "callbacks.patience is 0"),
        (KILLED, ["hydra.run.dir={run}", "resume=auto", "model=rnn"], "differ"),
        (KILLED, ["resume={run}", "dry_run=true"], "dry_run=true shows a new run, but"),
        (TRANSLATION, ["resume={run}", "trainer.max_epochs=1", "schedule.extend=true"], "but would end after"),
        (
            TRANSLATION,
            ["resume={run}", "trainer.max_steps=1", "schedule.extend=true"],
            "but would end after 1 (1 epochs)",
        ),
        (KILLED, ["resume={run}", "trainer.max_steps=1", "schedule.extend=true"], "but would end after 1 (1 epochs)"),
    ],
)
def test_a_refused_command_changes_no_run(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    run: str,
    overrides: list[str],
    sentence: str,
) -> None:
    copy_of(here, run, "cache/corpora")
    before = content(here / run)
    assert train(monkeypatch, *(override.format(run=run) for override in overrides)) == 2
    assert sentence in capsys.readouterr().err
    assert content(here / run) == before


def test_a_run_whose_data_have_moved_is_resumed_with_their_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_of(here, CLASSIFIER, "runs/language_model", "labels.tsv", "cache")
    (here / "new").mkdir()
    (here / "labels.tsv").rename(here / "new" / "labels.tsv")
    before = content(here / CLASSIFIER)
    assert train(monkeypatch, f"resume={CLASSIFIER}") == 2
    hint = (
        f"The run in {here / CLASSIFIER} was started with data.root=.: if the data have moved, add data.root=NEW_FOLDER"
    )
    assert hint in capsys.readouterr().err
    assert content(here / CLASSIFIER) == before
    assert train(monkeypatch, f"resume={CLASSIFIER}", "data.root=new") == 0
    assert has_finished(here / CLASSIFIER)


def test_a_run_can_be_extended_after_a_refusal(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_of(here, TRANSLATION, "cache/corpora")
    assert train(monkeypatch, f"resume={TRANSLATION}", "trainer.max_epochs=4") == 2
    assert train(monkeypatch, f"resume={TRANSLATION}", "trainer.max_epochs=4", "schedule.extend=true") == 0
    assert json.loads((here / TRANSLATION / "metrics.json").read_text())["epochs"] == 4


def test_steps_that_no_validation_measured_are_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_of(here, TRANSLATION, "cache/corpora")
    longer = (f"resume={TRANSLATION}", "trainer.max_epochs=9", "schedule.extend=true")
    assert train(monkeypatch, *longer, "trainer.max_steps=13") == 0  # of 3 steps an epoch
    assert "Training ended after 13 steps, and the last validation after 12" in capsys.readouterr().err
    assert train(monkeypatch, *longer, "trainer.max_steps=15") == 0
    assert "Training ended" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["resume=nosuch"], "resume=nosuch is not a run directory"),
        (["resume=~/nosuch", "--config-dir=."], "is not a run directory"),
        (["data=files", "data.root=no", "data.train=train", "data.source=fr", "data.target=en"], "train.fr"),
        (["data=text_lines", "model=awd_lstm", "data.root=no", "data.train=a.txt", "monitor.metric=val/loss"], "a.txt"),
        (["data=image_folder", "data.root=no", "model=devise", "vectors=fasttext", "vectors.target=no.vec"], "no.vec"),
        (["vectors=fasttext", "vectors.source=no.vec", "vectors.dim=300", "model.embedding=300"], "no.vec"),
        (["model.pretrained.source=norun"], "norun"),
        (["-m", "seed=1,2", "vectors=fasttext", "vectors.source=no.vec", "model.embedding=300"], "no.vec"),
    ],
)
def test_an_absent_file_is_noticed_before_a_run_directory_is_made(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
    sentence: str,
) -> None:
    if "data=image_folder" in overrides:
        pytest.importorskip("torchvision")
        overrides = [*overrides, "monitor.metric=val/loss"]
    assert train(monkeypatch, *overrides) == 2
    assert sentence in capsys.readouterr().err
    assert list(here.iterdir()) == []


SMALL = ["data.limit=40", "model=rnn", "model.embedding=8", "vectors.dim=8", "model.readout=true", "trainer=cpu"]


def test_a_dry_run_makes_no_run_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(monkeypatch, *SMALL, "dry_run=true", "hydra.run.dir=mine") == 0
    assert "effective batch" in capsys.readouterr().out
    assert [path.name for path in here.iterdir()] == ["cache"]


@pytest.mark.usefixtures("forked_jobs")
def test_a_dry_sweep_shows_each_plan_and_makes_no_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["-m", *SMALL, "model.decoder_hidden=12,16", "hydra.sweep.dir=sweep", "dry_run=true"]
    assert train(monkeypatch, *words) == 0
    output = capfd.readouterr().out
    assert output.count("effective batch") == 2
    assert "job 1: model.decoder_hidden=16" in output
    assert [path.name for path in here.iterdir()] == ["cache"]


@pytest.mark.usefixtures("forked_jobs")
def test_a_dry_sweep_needs_no_device(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    words = [text for text in SMALL if text != "trainer=cpu"]
    assert train(monkeypatch, "-m", *words, "trainer=ddp", "trainer.devices=2,4", "dry_run=true") == 0
    output = capfd.readouterr().out
    assert "on each of 2 ranks" in output
    assert "on each of 4 ranks" in output
    assert "1 in the sweep's folder (hydra.sweep.dir)" in output
    assert [path.name for path in here.iterdir()] == ["cache"]


def test_the_config_of_an_earlier_dry_run_is_not_a_run(here: Path) -> None:
    copy_of(here, TRANSLATION)
    run = here / TRANSLATION
    assert holds_run(run)
    assert has_finished(run)
    config = OmegaConf.load(run / "config.yaml")
    config.dry_run = True
    OmegaConf.save(config, run / "config.yaml")
    (run / "metrics.json").unlink()
    assert is_new_run(compose(["resume=auto"]), run)
    assert not has_finished(run)


@pytest.mark.usefixtures("forked_jobs")
@pytest.mark.timeout(300)
def test_a_refused_sweep_changes_none_of_its_jobs(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    copy_of(here, "sweep")
    (here / "sweep" / "1" / "status.json").write_text('{"status": "running", "started": 1, "written": 2}')
    common = yaml.safe_load((here / "sweep" / "0" / ".hydra" / "overrides.yaml").read_text())
    words = ["-m", *common[:-1], "optimizer.lr=0.01,0.02", "hydra.sweep.dir=sweep", "resume=auto"]
    before = [content(here / "sweep" / name) for name in "01"]
    assert train(monkeypatch, *words, "trainer.max_epochs=5") == 1
    assert "schedule.extend=true" in capfd.readouterr().err
    assert [content(here / "sweep" / name) for name in "01"] == before
    assert train(monkeypatch, *words) == 0
    assert content(here / "sweep" / "0") == before[0]
    assert json.loads((here / "sweep" / "1" / "status.json").read_text())["status"] == "ok"
