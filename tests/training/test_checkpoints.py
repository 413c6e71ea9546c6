"""A checkpoint is either written completely or unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
import torch

from seqvise.callbacks.checkpoints import COMMON, Checkpoints, TrainingTime
from seqvise.errors import UserError
from seqvise.files import try_lock
from seqvise.runs.resume import last_checkpoint, step_of
from seqvise.training.trainer import AtomicCheckpointIO
from tests.callbacks.tiny import TinyTask, loader, trainer_for


def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run" / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"global_step": 3}, file)

    def full(_: object, file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match=r"last.ckpt cannot be written \(No space left on device\).*resume=.*run\."):
        AtomicCheckpointIO().save_checkpoint({"global_step": 4}, file)
    assert [path.name for path in file.parent.iterdir()] == ["last.ckpt"]
    assert step_of(file) == 3


def test_partial_files_of_a_kill_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / ".last.ckpt.123.tmp").write_bytes(b"half")
    assert last_checkpoint(tmp_path) is None
    assert list(folder.iterdir()) == []


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"PK damaged")
    with pytest.raises(UserError, match=r"last.ckpt is not a complete weights-only checkpoint"):
        step_of(tmp_path / "last.ckpt")


def test_the_best_checkpoints_are_known_after_a_move(tmp_path: Path) -> None:
    before = Checkpoints(tmp_path / "old", "best", monitor="val/bleu", mode="max", **COMMON)
    before.best_k_models = {str(tmp_path / "old" / "best.ckpt"): torch.tensor(31.0)}
    before.best_model_path = before.kth_best_model_path = str(tmp_path / "old" / "best.ckpt")
    before.best_model_score = torch.tensor(31.0)
    after = Checkpoints(tmp_path / "new", "best", monitor="val/bleu", mode="max", **COMMON)
    after.load_state_dict(before.state_dict())
    assert after.best_model_path == str(tmp_path / "new" / "best.ckpt")
    assert after.best_k_models == {str(tmp_path / "new" / "best.ckpt"): torch.tensor(31.0)}


def test_a_lock_is_held_by_one_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from seqvise.files import try_lock\n"
        "with try_lock(Path(sys.argv[1])) as alone: print(alone)"
    )

    def asked() -> str:
        words = [sys.executable, "-c", program, str(tmp_path / ".lock")]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    with try_lock(tmp_path / ".lock") as alone:
        assert alone
        assert asked() == "False"
    assert asked() == "True"


def test_training_time_counts_all_starts(tmp_path: Path) -> None:
    """7 seconds until the checkpoint of a killed start, 93 of pause, 3 of the second start."""
    now = 0.0
    first, second = TrainingTime(lambda: now), TrainingTime(lambda: now)
    trainer = trainer_for(tmp_path, first, max_epochs=1)
    first.start()
    now = 7.0
    trainer.fit(TinyTask(), loader(1))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    now = 100.0
    resumed = trainer_for(tmp_path, second, max_epochs=2)
    second.start()
    resumed.fit(TinyTask(), loader(1), ckpt_path=tmp_path / "a.ckpt")
    now = 103.0
    assert second.seconds == 10.0
