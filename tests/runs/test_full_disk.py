"""A full disk: the reason is recorded, and existing files are unchanged."""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from seqvise.errors import RunFailedError, UserError
from seqvise.runs import directory as directories
from seqvise.runs.directory import RunDirectory, record_failure
from seqvise.training.trainer import AtomicCheckpointIO


def status(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "status.json").read_text())
    return content


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "mount") or libc.mount(b"tmpfs", os.fsencode(tmp_path), b"tmpfs", 0, b"size=1m") != 0:
        pytest.skip("only root may mount a file system")
    yield tmp_path
    libc.umount2(os.fsencode(tmp_path), 2)  # MNT_DETACH


def test_a_checkpoint_that_does_not_fit_leaves_room_to_say_so(small_disk: Path) -> None:
    run = RunDirectory(small_disk)
    file = run.checkpoints / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"weights": torch.ones(1000)}, file)
    sentence = re.escape(f"{file} cannot be written (No space left on device)")
    with pytest.raises(UserError, match=sentence) as caught:  # noqa: SIM117
        with run.recorded():
            AtomicCheckpointIO().save_checkpoint({"weights": torch.ones(1 << 20)}, file)
    assert status(small_disk)["why"] == str(caught.value)
    assert torch.equal(torch.load(file, weights_only=True)["weights"], torch.ones(1000))
    assert [path.name for path in run.checkpoints.iterdir()] == ["last.ckpt"]


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - the loop ends in no other way


def broken(run: RunDirectory) -> None:
    with run.recorded():
        fill(run.path / "others")
        raise RuntimeError("a wheel came off")


def test_the_failure_is_recorded_on_a_disk_without_any_room(small_disk: Path) -> None:
    with pytest.raises(RunFailedError, match=r"RuntimeError: a wheel came off\.") as caught:
        broken(RunDirectory(small_disk))
    assert (status(small_disk)["status"], status(small_disk)["why"]) == ("failed", "a wheel came off")
    assert "cannot be written: No space left on device" in str(caught.value)


def test_a_failure_that_cannot_be_recorded_is_raised_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(directories, "write_text", full)
    with caplog.at_level(logging.ERROR):
        record_failure(tmp_path / "removed", "a wheel came off")
    assert "status.json cannot be written" in caplog.text


def test_a_status_that_cannot_be_replaced_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(tmp_path)
    run._write_status("running", 0.0)
    monkeypatch.setattr(directories, "write_text", full)
    record_failure(tmp_path, "no room")
    assert status(tmp_path)["why"] == "no room"
