"""Damage to a run is detected when it is opened. The tests use copies of an earlier revision's runs."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from seqvise.checksums import DamagedError, check_archive
from seqvise.cli.main import main
from seqvise.config.formats import load_config
from seqvise.config.schema import typed
from seqvise.errors import UserError
from seqvise.reports.job import read_job
from seqvise.runs.average import mean_weights
from seqvise.runs.directory import RunDirectory
from seqvise.runs.integrity import run_damages
from seqvise.runs.load import Run
from seqvise.runs.model import load_model, read_checkpoint, write_checkpoint
from seqvise.runs.resume import step_of
from seqvise.training.trainer import AtomicCheckpointIO
from tests.earlier import copy_of


def flip(file: Path, place: int, bit: int = 0) -> None:
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= 1 << bit
    file.write_bytes(content)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run as this revision writes it: an earlier one's files, written again."""
    folder = copy_of(tmp_path, "runs/translation") / "runs" / "translation"
    written = RunDirectory(folder)
    with written.recorded():
        written.write_config(typed(load_config(folder / "config.yaml")))
        written.write_assets(lambda _: None)
        for file in (folder / "checkpoints").glob("*.ckpt"):
            write_checkpoint(torch.load(file, weights_only=True), file)
        written.write_metrics(json.loads((folder / "metrics.json").read_text()))
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("archive") / "best.ckpt"
    write_checkpoint({"state_dict": {"model.a": torch.arange(20.0)}, "global_step": 3}, file)
    return file.read_bytes()


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 1 << 20), bit=st.integers(0, 7))
def test_every_flipped_bit_of_a_checkpoint_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, archive: bytes, place: int, bit: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "flipped.ckpt"
    file.write_bytes(archive)
    assert check_archive(file)
    flip(file, place, bit)
    with pytest.raises(DamagedError):
        check_archive(file)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(0, 1 << 20))
def test_a_shortened_checkpoint_is_noticed(tmp_path_factory: pytest.TempPathFactory, archive: bytes, size: int) -> None:
    file = tmp_path_factory.getbasetemp() / "short.ckpt"
    file.write_bytes(archive[: size % len(archive)])
    with pytest.raises(UserError, match=r"short\.ckpt is not a complete weights-only checkpoint .*restore the file"):
        read_checkpoint(file)


def test_checkpoints_are_read_back_with_and_without_a_map(tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"model.a": torch.ones(3)}, "global_step": 7}, file)
    assert check_archive(file)
    assert step_of(file) == 7
    assert torch.load(file, weights_only=True)["state_dict"]["model.a"].tolist() == [1, 1, 1]  # torch itself reads it
    assert AtomicCheckpointIO().load_checkpoint(file)["global_step"] == 7
    flip(file, 300)
    for read in (step_of, AtomicCheckpointIO().load_checkpoint, lambda path: mean_weights([path])):
        with pytest.raises(UserError, match=r"last\.ckpt .*(CRC-32|does not end)"):
            read(file)


def test_a_hole_in_an_earlier_checkpoint_is_noticed_by_the_crc_of_its_entries(tmp_path: Path) -> None:
    folder = copy_of(tmp_path, "runs/translation") / "runs" / "translation"
    file = folder / "checkpoints" / "best.ckpt"
    assert not check_archive(file)
    load_model(Run.open(folder))
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"best\.ckpt is not a complete weights-only checkpoint"):
        load_model(Run.open(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(run: Path, value: float) -> None:
    file = run / "checkpoints" / "best.ckpt"
    content = torch.load(file, weights_only=True)
    name = next(name for name in content["state_dict"] if name.startswith("model."))
    content["state_dict"][name].view(-1)[0] = value
    write_checkpoint(content, file)
    with pytest.raises(UserError, match=rf"best\.ckpt is damaged: .*{name.removeprefix('model.')}"):
        load_model(Run.open(run))


def test_a_whole_run_opens_without_a_line(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert list(run_damages(run)) == []
    load_model(Run.open(run))
    read_job(run)
    assert caplog.text == ""


def test_an_earlier_run_opens_with_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = copy_of(tmp_path, "runs/translation") / "runs" / "translation"
    with caplog.at_level(logging.WARNING):
        Run.open(folder)
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder} is from an earlier revision without checksums: damage to it may not be detected."
    ]


@pytest.mark.parametrize("damage", ["flip", "empty", "gone"])
def test_every_damaged_asset_is_refused_by_name(run: Path, tmp_path: Path, damage: str) -> None:
    names = [path.name for path in (run / "assets").iterdir()]
    assert "checksums.json" in names
    for name in names:
        copy = tmp_path / damage
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(run, copy)
        file = copy / "assets" / name
        if damage == "flip":
            flip(file, file.stat().st_size // 2)
        elif damage == "empty":
            file.write_bytes(b"")
        elif name == "checksums.json":
            continue  # as an earlier revision's
        else:
            file.unlink()
        with pytest.raises(UserError, match=rf"{name} .*restore the file from a copy"):
            Run.open(copy)
        assert any(name in message for message in run_damages(copy))


@pytest.mark.parametrize("name", ["config.yaml", "status.json", "metrics.json", "progress.jsonl", "samples.txt"])
def test_other_files_are_named_when_a_digit_has_changed(run: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    file = run / name
    text = file.read_text()
    place = text.index("seed: ") + 6 if name == "config.yaml" else max(map(text.rfind, "1tae"))
    file.write_text(text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :])
    for read in (Run.open, read_job):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            read(run)
        assert name in caplog.text
        assert len(caplog.records) == 1
    assert [name in message for message in run_damages(run)] == [True]


def test_a_config_without_its_checksum_is_named(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = run / "config.yaml"
    text = file.read_text()
    assert OmegaConf.to_container(OmegaConf.load(file))["seed"] == 1  # type: ignore[call-overload,index]
    file.write_text("".join(line for line in text.splitlines(keepends=True) if "CRC-32" not in line))
    with caplog.at_level(logging.WARNING):
        Run.open(run)
    assert "config.yaml does not match its checksum" in caplog.text


def test_verify_reads_everything_of_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(run)]) == 0
    assert capsys.readouterr().out == f"ok: run {run}\n"
    flip(run / "checkpoints" / "last.ckpt", 5000)
    flip(run / "assets" / "source.vocabulary.tsv", 30)
    assert main(["verify", f"path={run.parent}"]) == 1
    printed = capsys.readouterr()
    assert f"damaged: run {run}\n" in printed.out
    assert "assets/source.vocabulary.tsv differs from what was written" in printed.out
    assert "last.ckpt is damaged (its CRC-32 is" in printed.out
    assert printed.err == "seqvise: 2 damaged files in 1 of the folders above.\n"


def test_verify_refuses_folders_without_checksums(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert main(["verify", str(tmp_path / "gone")]) == 2
    assert main(["verify"]) == 2
    assert "contains no run" in capsys.readouterr().err
