"""Devices and threads of the jobs of a sweep."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from seqvise.errors import UserError
from seqvise.launching.pool import Pool, cuda_devices, needed, threads_of_job


def trainer(accelerator: str = "gpu", devices: Any = 1) -> SimpleNamespace:
    return SimpleNamespace(accelerator=accelerator, devices=devices)


def test_each_job_has_devices_of_its_own_until_it_gives_them_back() -> None:
    pool = Pool(None, ["0", "1", "3"])
    first, second = pool.take(1), pool.take(2)
    assert (first, second) == (("0",), ("1", "3"))
    assert pool.take(1) is None
    assert second is not None
    pool.give_back(second)
    assert pool.take(1) == ("1",)
    assert pool.take(2) is None


def test_no_more_jobs_at_a_time_than_asked_for() -> None:
    pool = Pool(2, ["0", "1", "2"])
    assert (pool.take(1), pool.take(1), pool.take(1)) == (("0",), ("1",), None)


@pytest.mark.parametrize(("jobs", "rooms"), [(None, 1), (3, 3)])
def test_on_the_processor_one_job_at_a_time_or_as_many_as_asked_for(jobs: int | None, rooms: int) -> None:
    pool = Pool(jobs, [])
    taken = [pool.take(0) for _ in range(rooms + 1)]
    assert taken == [()] * rooms + [None]
    pool.give_back(())
    assert pool.take(0) == ()


@pytest.mark.parametrize(
    ("node", "per_job", "there", "needs"),
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
def test_the_devices_that_a_job_needs(node: Any, per_job: int | None, there: int, needs: int) -> None:
    assert needed(node, per_job, there) == needs


@pytest.mark.parametrize(
    ("node", "per_job", "there", "sentence"),
    [
        (trainer(devices=4), None, 2, "A job needs 4 CUDA devices (trainer.devices), but there are 2"),
        (trainer(devices=1), 3, 2, "needs 3 CUDA devices (hydra.launcher.devices_per_job), but there are 2"),
        (trainer(devices="auto"), None, 0, "needs 1 CUDA devices (trainer.devices), but there are 0"),
        (trainer(devices=3), 2, 4, "trainer.devices is 3, but hydra.launcher.devices_per_job gives each job 2"),
        (trainer(devices=[1]), None, 4, "trainer.devices is [1], but the sweep chooses"),
    ],
)
def test_devices_that_are_not_there_are_refused(node: Any, per_job: int | None, there: int, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        needed(node, per_job, there)
    assert sentence in refused.value.messages[0]
    assert len(refused.value.messages) == 1


def test_only_the_devices_that_may_be_used_are_shared() -> None:
    assert cuda_devices({"CUDA_VISIBLE_DEVICES": "2, 0"}) == ["2", "0"]
    assert cuda_devices({"CUDA_VISIBLE_DEVICES": ""}) == []


def test_several_jobs_share_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert threads_of_job(None, 2, 4)["OMP_NUM_THREADS"] == "2"
    assert threads_of_job(None, 40, 1)["OMP_NUM_THREADS"] == "1"
    assert threads_of_job(None, 1, 1) == {}, "a job alone is as one that was started by hand"
    assert threads_of_job(5, 1, 1)["MKL_NUM_THREADS"] == "5"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_of_job(None, 2, 4) == {}
