"""What TensorBoard and checkpoints get to see of a config."""

from __future__ import annotations

import json
from pathlib import Path

from seqvise.config.compose import compose
from seqvise.config.hparams import board_columns
from seqvise.config.schema import hyperparameters, typed


def test_full_names_and_plain_values() -> None:
    values = hyperparameters(typed(compose(["model=attention", "optimizer.lr=5e-4", "data.columns=[en,fr]"])))
    assert values["optimizer.lr"] == 5e-4
    assert values["model.attention"] == "additive"
    assert values["model.dropout.output"] == 0.35
    assert values["data.columns"] == "['en', 'fr']"
    assert values["seed"] == 1
    assert "data.root" not in values
    assert all(value is None or isinstance(value, (bool, int, float, str)) for value in values.values())


VALUES: dict[str, bool | int | float | str | None] = {
    "data.limit": 9,
    "model.bridge": True,
    "model.hidden": 8,
    "optimizer.lr": 1e-3,
    "seed": 1,
    "data.batch_tokens": None,
}


def run_directory(folder: Path, overrides: list[str], sweep: list[str] | None = None, **params: str) -> Path:
    """A run directory with Hydra's files, of a sweep if its overrides are given."""
    run = folder / "0"
    (run / ".hydra").mkdir(parents=True)
    (run / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
    choices = {"model": "attention", "experiment": "lesson11/attention"}
    (run / ".hydra" / "hydra.yaml").write_text(json.dumps({"hydra": {"runtime": {"choices": choices}}}))
    if sweep is not None:
        hydra = {"overrides": {"task": sweep}, "sweeper": {"params": params or None}}
        (folder / "multirun.yaml").write_text(json.dumps({"hydra": hydra}))
    return run


def test_a_single_run_has_columns_for_the_keys_of_its_command_line(tmp_path: Path) -> None:
    overrides = ["model.hidden=8", "model.bridge=true", "data.batch_tokens=null", "data=multi30k", "trainer=cpu", "x=1"]
    assert board_columns(VALUES, run_directory(tmp_path, overrides)) == {
        "model": "attention",
        "model.hidden": 8,
        "model.bridge": "true",
        "data.batch_tokens": "null",
        "data": "multi30k",
    }


def test_a_job_has_columns_for_the_keys_that_its_sweep_varies(tmp_path: Path) -> None:
    job = ["experiment=lesson11/attention", "optimizer.lr=0.001", "data.limit=9", "++trainer.devices=2", "seed=1"]
    sweep = ["experiment=lesson11/rnn,lesson11/attention", "optimizer.lr=1e-3,3e-3", "data.limit=9"]
    run = run_directory(tmp_path, job, [*sweep, "++trainer.devices=1,2"], seed="1,2")
    assert board_columns(VALUES, run) == {
        "model": "attention",
        "experiment": "lesson11/attention",
        "optimizer.lr": 1e-3,
        "trainer.devices": 2,
        "seed": 1,
    }


def test_without_a_command_line_no_columns_are_chosen(tmp_path: Path) -> None:
    assert board_columns(VALUES, tmp_path) == {}
