"""From two files of text to a run, and from the run to translations."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from seqvise.cli.main import main

SOURCE = ["qui es tu ?", "qui est là ?", "où es tu ?", "où est-il ?", "que fais tu ?", "que fait-il ?"]
TARGET = ["who are you?", "who is there?", "where are you?", "where is he?", "what do you do?", "what does he do?"]
TINY = [
    "data=files",
    "data.train=train",
    "data.test=train",
    "data.valid=train",
    "data.batch_size=4",
    "model.embedding=8",
    "model.encoder_hidden=8",
    "model.decoder_hidden=8",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "callbacks.progress=false",
    "logger=csv",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a corpus in ``corpus``; arguments and variables of the process are restored."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "train.fr").write_text("\n".join(SOURCE) + "\n", encoding="utf-8")
    (tmp_path / "corpus" / "train.en").write_text("\n".join(TARGET) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def seqvise(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["seqvise", *words])
    return main()


def the_run(folder: Path) -> Path:
    (run,) = (folder / "outputs" / "runs" / "full").iterdir()
    return run


def test_training_leaves_a_run_that_translates(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY) == 0
    run = the_run(here)
    assert capsys.readouterr().out.rstrip().endswith(f"run: {run}")

    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["epochs"], metrics["steps"], metrics["world_size"]) == (2, 4, 1)
    assert {"val/bleu", "val/loss", "test/bleu", "seconds", "device", "precision", "epoch"} <= set(metrics)
    assert metrics["test/loss"] == pytest.approx(metrics["val/loss"], rel=1e-4), "the best weights, on the same pairs"
    assert json.loads((run / "status.json").read_text())["status"] == "ok"
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}

    # Only the run is needed: no corpus, no cache, another folder.
    (here / "corpus" / "train.fr").unlink()
    moved = run.rename(here / "moved")
    (here / "in.txt").write_text("qui es tu ?\n\nxyz\nqui es tu ?", encoding="utf-8")
    assert seqvise(monkeypatch, "translate", f"run={moved}", "input=in.txt", "output=out.txt", "device=cpu") == 0
    lines = (here / "out.txt").read_text(encoding="utf-8").split("\n")
    assert len(lines) == 5
    assert lines[1] == lines[4] == ""
    assert lines[0] == lines[3]


def test_two_deterministic_runs_are_equal_bit_for_bit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for name in ("first", "second"):
        words = ["trainer.deterministic=true", f"hydra.run.dir={name}", "data.workers=0"]
        assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY, *words) == 0
        state = torch.load(here / name / "checkpoints" / "last.ckpt", weights_only=True)
        metrics = json.loads((here / name / "metrics.json").read_text())
        results.append((state["state_dict"], {key: value for key, value in metrics.items() if key != "seconds"}))
        torch.manual_seed(99)
    (first, scores), (second, others) = results
    assert scores == others
    assert all(torch.equal(weight, second[key]) for key, weight in first.items())


def test_a_dry_run_trains_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY, "dry_run=true") == 0
    output = capsys.readouterr().out
    assert "2 per epoch, 4 in 2 epochs" in output
    rows = dict(line.split("  ", 1) for line in output.splitlines())
    assert rows["model"].strip() == "full"
    assert rows["data"].strip() == "files in corpus"
    assert rows["strategy"].strip() == "auto, one process"
    assert rows["folder"].strip() == "outputs/runs/full/DATE_TIME"
    assert re.fullmatch(
        r"about \S+ s per epoch, \S+ s in total, without validation \(\S+ s per step, the mean of [1-5]\)",
        rows["time"].strip(),
    )
    assert [path.name for path in (here / "outputs").iterdir()] == ["cache"]


@pytest.mark.parametrize(
    ("trainer", "steps"),
    [
        (["trainer=ddp", "trainer.devices=3"], "steps 2 per epoch, 4 in 2 epochs"),
        (["trainer=ddp_cpu", "trainer.devices=3"], "steps 2 per epoch, 4 in 2 epochs"),
        (["trainer=fsdp", "trainer.devices=3", "trainer.num_nodes=2"], "steps 1 per epoch, 2 in 2 epochs"),
        (["trainer=ddp"], "steps 6 per epoch, 12 in 2 epochs"),
    ],
)
def test_a_dry_run_plans_for_devices_that_the_machine_lacks(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trainer: list[str],
    steps: str,
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    words = [text for text in TINY if text not in ("trainer=cpu", "data.batch_size=4")]
    words += ["data.root=corpus", "data.batch_size=1", *trainer, "dry_run=true", "hydra.run.dir=mine"]
    assert seqvise(monkeypatch, "train", *words) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert steps in lines
    assert "folder mine" in lines
    if trainer[0] != "trainer=ddp_cpu":
        assert "time not estimated: no step can be timed without the devices." in lines
        assert "device gpu; this machine has none, and makes the plan on the CPU" in lines
        assert "precision bf16-mixed" in lines
    assert [path.name for path in (here / "outputs").iterdir()] == ["cache"]
    assert not (here / "mine").exists()


@pytest.mark.usefixtures("here")
def test_a_dry_run_refuses_a_schedule_that_training_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data.root=corpus", *TINY, "schedule=cosine", "schedule.warmup=4", "dry_run=true"]
    assert seqvise(monkeypatch, "train", *words) == 2
    assert "schedule.warmup is 4 steps, but training, or its cycle, has 4" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("sweep", [[], ["-m", "hydra/launcher=basic"]])
def test_a_former_name_of_an_experiment_is_planned(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    sweep: list[str],
) -> None:
    names = "seed/rnn,seed/attention" if sweep else "seed/attention"
    words = [*sweep, f"experiment={names}", "data=phrasebook", "data.limit=60", "vectors=none", "dry_run=true"]
    assert seqvise(monkeypatch, "train", *words) == 0
    assert capsys.readouterr().out.count("peak rate") == len(names.split(","))
    notes = [record.message for record in caplog.records if "the former name will be removed" in record.message]
    assert len(notes) == 1
    assert notes[0].startswith(f"experiment={names} is now experiment=lesson11/")


def test_a_config_that_extends_a_former_experiment_names_the_new_one(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = here / "conf" / "experiment" / "own.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\ndefaults:\n  - seed/attention\n  - _self_\n")
    assert seqvise(monkeypatch, "train", "experiment=own", "dry_run=true") == 2
    assert "experiment/own.yaml: its defaults name 'experiment/seed/attention'" in (error := capsys.readouterr().err)
    assert "did you mean lesson11/attention?" in error
    file.write_text("# @package _global_\ndefaults:\n  - /model/transformr\n  - _self_\n")
    assert seqvise(monkeypatch, "train", "experiment=own", "dry_run=true") == 2
    assert "model has no choice 'transformr'; did you mean transformer?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "prepare", "find_lr", "find_batch_size", "baselines"])
def test_help_names_the_command_and_how_to_override(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert seqvise(monkeypatch, command, "--help") == 0
    text = capsys.readouterr().out
    assert command in text.splitlines()[0]
    assert "(group=choice)" in text
    assert "optimizer.lr=1e-3" in text
    assert "foo.bar" not in text


def test_a_device_that_is_not_here_is_a_mistake(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY, "trainer=gpu") == 2
    assert "trainer=gpu needs a GPU, but torch finds none on this machine; try trainer=cpu." in capsys.readouterr().err
    assert not (here / "outputs").exists()


def test_prepare_shows_counts_and_makes_no_run(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seqvise(monkeypatch, "prepare", "data.root=corpus", *TINY) == 0
    output = capsys.readouterr().out
    assert output.rstrip().splitlines()[-1].startswith("store: outputs/cache/corpora/files-")
    assert "99 % of sentences" in output
    assert sorted(path.name for path in here.iterdir()) == ["corpus", "outputs"]
    assert [path.name for path in (here / "outputs").iterdir()] == ["cache"]


@pytest.mark.usefixtures("here")
def test_debug_profile_prints_the_time_of_each_part(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY, "debug=profile", "trainer.max_epochs=1") == 0
    printed = "".join(capfd.readouterr())
    assert "run_training_epoch" in printed
    assert "Percentage %" in printed


def test_debug_fast_says_what_it_leaves(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY, "debug=fast", "logger=tensorboard") == 0
    assert "tensorboard --logdir" not in capsys.readouterr().out
    assert seqvise(monkeypatch, "translate", f"run={the_run(here)}", "input=corpus/train.fr") == 2
    assert "has no checkpoint: it was a smoke test of a few batches (debug=fast)" in capsys.readouterr().err


def test_debug_overfit_takes_the_training_loss_to_almost_zero(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [
        "model.embedding=48",
        "model.encoder_hidden=48",
        "model.decoder_hidden=48",
        "data.batch_size=1",
        "optimizer.lr=5e-3",
    ]
    overrides = [text for text in TINY if not text.startswith(("model.", "trainer.max_epochs"))]
    assert seqvise(monkeypatch, "train", "data.root=corpus", *overrides, *sizes, "debug=overfit") == 0
    lines = (the_run(here) / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [entry["train/loss"] for entry in map(json.loads, lines) if "train/loss" in entry]
    assert losses[-1] < 0.1 < losses[0]
    assert json.loads((the_run(here) / "metrics.json").read_text(encoding="utf-8"))["epochs"] == 60


def test_early_stopping_and_the_precision_of_each_part_are_reported(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second validation is not better than the first, because the weights hardly change."""
    overrides = ["trainer.max_epochs=9", "callbacks.patience=1", "optimizer.lr=1e-12", "test=false"]
    precision = ["trainer.precision=bf16-mixed", "loss.precision=fp32"]
    assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY, *overrides, *precision) == 0
    run, shown = the_run(here), capsys.readouterr()
    status, metrics = (json.loads((run / f"{name}.json").read_text()) for name in ("status", "metrics"))
    assert (status["status"], status["stopped"]) == ("ok", "no better val/bleu for 1 validation")
    sentence = "Training stopped early, after epoch 2: no better val/bleu for 1 validation."
    assert sentence in shown.out + shown.err
    assert sentence in (run / "train.log").read_text(encoding="utf-8")
    assert (metrics["epochs"], metrics["precision"], metrics["projection_precision"]) == (2, "bf16-mixed", "fp32")
    (row,) = (line for line in shown.err.splitlines() if line.startswith("precision "))
    assert row.split(maxsplit=1)[1] == "bf16-mixed; output projection fp32 (loss.precision)"
    lines = map(json.loads, (run / "progress.jsonl").read_text(encoding="utf-8").splitlines())
    assert [line["epoch"] for line in lines] == [1, 2]
