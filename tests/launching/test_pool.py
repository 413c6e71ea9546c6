"""Devices and threads of the jobs of a sweep."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seqvise.errors import UserError
from seqvise.launching.pool import Pool, cuda_devices, devices_needed, threads_of_job


def trainer(accelerator: str = "gpu", devices: Any = 1) -> SimpleNamespace:
    return SimpleNamespace(accelerator=accelerator, devices=devices)


def test_each_job_has_its_own_devices_until_it_returns_them() -> None:
    pool = Pool(None, ["0", "1", "3"])
    first, second = pool.take(1), pool.take(2)
    assert (first, second) == (("0",), ("1", "3"))
    assert pool.take(1) is None
    assert second is not None
    pool.give_back(second)
    assert pool.take(1) == ("1",)
    assert pool.take(2) is None


def test_jobs_limits_the_parallel_jobs() -> None:
    pool = Pool(2, ["0", "1", "2"])
    assert (pool.take(1), pool.take(1), pool.take(1)) == (("0",), ("1",), None)


@pytest.mark.parametrize(("jobs", "slots"), [(None, 1), (3, 3)])
def test_on_cpu_one_job_at_a_time_or_as_many_as_requested(jobs: int | None, slots: int) -> None:
    pool = Pool(jobs, [])
    taken = [pool.take(0) for _ in range(slots + 1)]
    assert taken == [()] * slots + [None]
    pool.give_back(())
    assert pool.take(0) == ()


@pytest.mark.parametrize(
    ("node", "per_job", "available", "count"),
    [
        (trainer("cpu", 2), None, 4, 0),
        (trainer("auto", 1), None, 0, 0),
        (trainer("auto", 1), None, 4, 1),
        (trainer("gpu", "auto"), None, 4, 4),
        (trainer("gpu", -1), 2, 4, 2),
        (trainer("gpu", "2"), None, 4, 2),
        (trainer("gpu", 1), 2, 4, 2),
    ],
)
def test_the_devices_that_a_job_needs(node: Any, per_job: int | None, available: int, count: int) -> None:
    assert devices_needed(node, per_job, available) == count


@pytest.mark.parametrize(
    ("node", "per_job", "available", "sentence"),
    [
        (trainer(devices=4), None, 2, "A job needs 4 CUDA devices (trainer.devices), but 2 are available"),
        (trainer(devices=1), 3, 2, "needs 3 CUDA devices (hydra.launcher.devices_per_job), but 2 are available"),
        (trainer(devices="auto"), None, 0, "needs 1 CUDA devices (trainer.devices), but 0 are available"),
        (trainer(), None, 0, "(CUDA_VISIBLE_DEVICES, hydra.launcher.devices); try trainer=cpu."),
        (trainer(devices=3), 2, 4, "trainer.devices is 3, but hydra.launcher.devices_per_job is 2"),
        (trainer(devices=[1]), None, 4, "trainer.devices is [1], but the sweep assigns devices"),
    ],
)
def test_unavailable_devices_are_refused(node: Any, per_job: int | None, available: int, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        devices_needed(node, per_job, available)
    assert sentence in refused.value.messages[0]
    assert len(refused.value.messages) == 1


def test_only_visible_devices_are_shared() -> None:
    assert cuda_devices({"CUDA_VISIBLE_DEVICES": "2, 0"}) == ["2", "0"]
    assert cuda_devices({"CUDA_VISIBLE_DEVICES": ""}) == []


@pytest.mark.parametrize(("count", "names"), [("2", ["0", "1"]), ("0", []), ("raise ImportError", [])])
def test_devices_are_counted_by_torch_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: str, names: list[str]
) -> None:
    program = "class cuda:\n    @staticmethod\n    def device_count():\n        "
    (tmp_path / "torch.py").write_text(program + (count if count.startswith("raise") else f"return {count}"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("seqvise.launching.pool.DRIVERS", ("null",))
    assert cuda_devices({}) == names
    monkeypatch.setattr("seqvise.launching.pool.DRIVERS", ("no such driver",))
    assert cuda_devices({}) == [] or sys.platform != "linux"


def test_parallel_jobs_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert threads_of_job(None, 2, 4)["OMP_NUM_THREADS"] == "2"
    assert threads_of_job(None, 40, 1)["OMP_NUM_THREADS"] == "1"
    assert threads_of_job(None, 1, 1) == {}, "a single job behaves as if started by hand"
    assert threads_of_job(5, 1, 1)["MKL_NUM_THREADS"] == "5"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_of_job(None, 2, 4) == {}
