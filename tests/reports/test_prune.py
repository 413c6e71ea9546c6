"""Pruning of checkpoints, with real files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.errors import UserError
from seqvise.reports.job import read_job
from seqvise.reports.prune import Pruning, carry_out, plan
from tests.reports.folders import age, make_run, running, write_json

SIZES = {"best.ckpt": 100, "last.ckpt": 20, "epoch001-step000010.ckpt": 3, "last-epoch001-step000010.ckpt": 4}
FAILED = {"status": "failed", "started": 0.0, "written": 1.0, "why": "x"}


def trained(folder: Path, status: Mapping[str, Any] | None = None, names: tuple[str, ...] = tuple(SIZES)) -> Path:
    run = make_run(folder, status=status)
    (run / "checkpoints").mkdir()
    for name in names:
        (run / "checkpoints" / name).write_bytes(b"x" * SIZES[name])
    (run / "checkpoints" / "notes.txt").touch()
    return run


def checkpoints_of(run: Path) -> set[str]:
    return {path.name for path in (run / "checkpoints").glob("*.ckpt")}


def planned(run: Path, keep: str = "best") -> Pruning:
    (pruning,) = plan([read_job(run)], keep)
    return pruning


@pytest.mark.parametrize(
    ("keep", "size", "left"), [("best", 27, {"best.ckpt"}), ("best+last", 7, {"best.ckpt", "last.ckpt"})]
)
def test_other_checkpoints_are_removed(tmp_path: Path, keep: str, size: int, left: set[str]) -> None:
    run = trained(tmp_path / "0")
    pruning = planned(run, keep)
    assert pruning.size == size
    assert checkpoints_of(run) == set(SIZES)
    (done,) = carry_out([pruning], keep)
    assert (done.size, checkpoints_of(run)) == (size, left)
    assert (run / "checkpoints" / "notes.txt").exists()


def test_a_running_run_is_skipped_even_if_silent(tmp_path: Path) -> None:
    run = trained(tmp_path / "0", running())
    assert planned(run).skipped == "its status is running"
    age(run, 86400)
    assert planned(run).skipped.startswith("its status is running, but nothing was written for 1 d")
    carry_out([planned(run)], "best")
    assert checkpoints_of(run) == set(SIZES)


def test_a_run_that_was_started_again_after_the_plan_is_skipped(tmp_path: Path) -> None:
    run = trained(tmp_path / "0")
    pruning = planned(run)
    write_json(run / "status.json", running())
    (done,) = carry_out([pruning], "best")
    assert (done.files, done.skipped) == ((), "its status is running")
    assert checkpoints_of(run) == set(SIZES)


@pytest.mark.parametrize("name", ["status.json", "metrics.json", "config.yaml"])
def test_an_unreadable_run_is_skipped(tmp_path: Path, name: str) -> None:
    run = trained(tmp_path / "0")
    (run / name).write_text("{")
    assert name in planned(run).skipped


def test_a_run_without_a_status_is_skipped(tmp_path: Path) -> None:
    run = trained(tmp_path / "0")
    (run / "status.json").unlink()
    assert planned(run).skipped == "its status is not known"


def test_a_failed_run_keeps_the_checkpoint_to_resume_from(tmp_path: Path) -> None:
    run = trained(tmp_path / "0", FAILED)
    carry_out([planned(run)], "best")
    assert checkpoints_of(run) == {"best.ckpt", "last.ckpt"}


def test_the_last_is_kept_if_there_is_no_best(tmp_path: Path) -> None:
    run = trained(tmp_path / "0", names=("last.ckpt", "epoch001-step000010.ckpt"))
    carry_out([planned(run)], "best")
    assert checkpoints_of(run) == {"last.ckpt"}


def test_without_best_and_last_nothing_is_removed(tmp_path: Path) -> None:
    run = trained(tmp_path / "0", names=("epoch001-step000010.ckpt",))
    assert planned(run) == Pruning(read_job(run), skipped="it has neither best.ckpt nor last.ckpt")


def test_the_target_of_the_best_link_is_kept(tmp_path: Path) -> None:
    run = trained(tmp_path / "0", names=("epoch001-step000010.ckpt", "last.ckpt"))
    (run / "checkpoints" / "best.ckpt").symlink_to("epoch001-step000010.ckpt")
    carry_out([planned(run)], "best")
    assert checkpoints_of(run) == {"best.ckpt", "epoch001-step000010.ckpt"}


def test_a_hard_link_frees_nothing(tmp_path: Path) -> None:
    run = trained(tmp_path / "0", names=("best.ckpt",))
    (run / "checkpoints" / "last.ckpt").hardlink_to(run / "checkpoints" / "best.ckpt")
    pruning = planned(run)
    assert ([path.name for path in pruning.files], pruning.size) == (["last.ckpt"], 0)


def test_an_unknown_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"prune is 'all', but must be one of best, best\+last"):
        plan([read_job(trained(tmp_path / "0"))], "all")


@given(
    st.sets(st.sampled_from(sorted(SIZES))),
    st.sampled_from(["best", "best+last"]),
    st.sampled_from([None, FAILED, running()]),
)
def test_the_best_is_never_removed(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], keep: str, status: Mapping[str, Any] | None
) -> None:
    run = trained(tmp_path_factory.mktemp("run") / "0", status, tuple(names))
    before = checkpoints_of(run)
    carry_out([planned(run, keep)], keep)
    assert checkpoints_of(run) <= before
    assert ("best.ckpt" in checkpoints_of(run)) == ("best.ckpt" in before)
    assert bool(checkpoints_of(run)) == bool(before)
