"""Creating records from run directories, and refusing invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from results.curves import by_epoch, read_curves
from results.intake import file_of, read_run
from results.record import Record
from seqvise.errors import UserError

from .runs import SCALARS, Run, write_events


def test_curves_have_one_value_per_epoch(tmp_path: Path) -> None:
    write_events(tmp_path, SCALARS)
    assert read_curves(tmp_path) == {
        "epoch": [1, 2, 3],
        "val/loss_free": [5.0, 4.0, 3.5],
        "val/bleu": [1.0, 2.1235, 1.5],
        "train/loss_smooth": [6.5, 5.25, 4.0],
    }


def test_the_last_validation_of_an_epoch_counts() -> None:
    epochs = {5: 0.0, 10: 0.0, 20: 1.0}
    loaded = by_epoch({"epoch": epochs, "val/bleu": {5: 1.0, 10: 2.0, 20: 3.0}, "val/loss": {20: float("nan")}})
    assert loaded == {"epoch": [1, 2], "val/loss": [None, None], "val/bleu": [2.0, 3.0]}
    from_one = by_epoch({"epoch": {step: epoch + 1 for step, epoch in epochs.items()}, "val/bleu": {10: 2.0, 20: 3.0}})
    assert from_one == {"epoch": [1, 2], "val/bleu": [2.0, 3.0]}


def test_a_run_without_events_has_no_curves(tmp_path: Path) -> None:
    assert read_run(Run(scalars={}).write(tmp_path / "run")).curves == {}


def test_a_finished_run_is_read_and_stored(tmp_path: Path) -> None:
    loaded = read_run(Run().write(tmp_path / "run"), note="slow day")
    assert (loaded.experiment, loaded.dataset, loaded.overrides, loaded.seed) == ("lesson11/rnn", "tatoeba", [], 4)
    assert loaded.command == "python train.py experiment=lesson11/rnn data=tatoeba"
    assert (loaded.commit, loaded.dirty, loaded.date) == ("880f561da68e260a078e", False, "2026-11-21")
    assert (loaded.number("val/loss"), loaded.number("parameters"), loaded.note) == (3.6808, 3550512, "slow day")
    file = file_of(loaded, tmp_path)
    assert file == tmp_path / "lesson11" / "rnn" / "tatoeba-seed4.json"
    loaded.save(file)
    assert Record.load(file) == loaded
    assert '"val/bleu": [1.0, 2.1235, 1.5]' in file.read_text()


def test_no_folder_of_the_machine_is_stored(tmp_path: Path) -> None:
    overrides = ["experiment=lesson11/rnn", f"data.root={tmp_path}/my corpus/tatoeba", f"paths.data={tmp_path}"]
    overrides += [f"+callbacks.extra={{x: [{tmp_path}/a.txt, /b/c.txt]}}", "hydra.sweep.dir=x", "logger.dir=~me/logs"]
    overrides += ["resume=auto"]
    loaded = read_run(Run(overrides=overrides).write(tmp_path / "run"))
    loaded.save(tmp_path / "record.json")
    assert str(tmp_path) not in (tmp_path / "record.json").read_text()
    assert loaded.command == (
        "python train.py experiment=lesson11/rnn data.root=tatoeba "
        "'+callbacks.extra={x: [a.txt, c.txt]}' logger.dir=logs"
    )


def test_changes_of_data_and_model_are_separated(tmp_path: Path) -> None:
    overrides = ["data=tatoeba", "data.limit=100", "data.batch_size=8", "seed=3", "model=rnn", "optimizer.lr=1e-3"]
    overrides += ["trainer=cpu", "callbacks.progress=false", "data.workers=1", "data.rare_as_unknown=0.25"]
    loaded = read_run(Run(overrides=overrides, experiment="null", seed=3).write(tmp_path / "run"))
    assert (loaded.experiment, loaded.dataset) == ("rnn", "tatoeba data.limit=100")
    assert loaded.label == "rnn data.batch_size=8 optimizer.lr=1e-3 data.rare_as_unknown=0.25"


def test_uncommitted_changes_are_recorded(tmp_path: Path) -> None:
    dirty = read_run(Run(git={"revision": "abc", "diff": "--- a"}).write(tmp_path / "dirty"))
    unknown = read_run(Run(git={"revision": None, "diff": None}).write(tmp_path / "unknown"))
    assert (dirty.dirty, unknown.commit, unknown.dirty) == (True, None, None)


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (Run(status={"status": "running"}), "its status is 'running', but must be 'ok'"),
        (Run(status={"status": "failed", "why": "the loss is nan"}), "'failed' (the loss is nan)"),
        (Run(metrics={}), "no validation metrics"),
    ],
)
def test_an_unfinished_run_is_refused(tmp_path: Path, run: Run, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        read_run(run.write(tmp_path / "run"))
    assert sentence in str(refused.value)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not a run directory: it has no status\.json"):
        read_run(tmp_path)
    with pytest.raises(UserError, match="there is no such folder"):
        read_run(tmp_path / "nowhere")


def test_classification_of_documents_is_a_separate_data_set(tmp_path: Path) -> None:
    path = Run().write(tmp_path / "run")
    config = OmegaConf.load(path / "config.yaml")
    OmegaConf.save(OmegaConf.merge(config, {"data": {"kind": "text_labels"}}), path / "config.yaml")
    loaded = read_run(path)
    assert loaded.dataset == "tatoeba (labels)"
    assert file_of(loaded, tmp_path).name == "tatoeba-seed4.json"
