"""The devices that the trainer node requires, compared with those of the machine."""

from __future__ import annotations

from typing import Any

import pytest

from seqvise.config.options import TrainerOptions
from seqvise.runs.devices import device_count, devices_per_node, lacks_devices, missing_devices


@pytest.fixture(params=[0], ids=lambda count: f"{count} devices")
def cuda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of CUDA devices that torch finds."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: request.param)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    return int(request.param)


@pytest.mark.parametrize(
    ("devices", "count"),
    [("auto", None), (-1, None), ("-1", None), (3, 3), ("3", 3), ("0,2", 2), ("1,", 1), ([0, 2, 5], 3)],
)
def test_the_number_of_devices(devices: Any, count: int | None) -> None:
    assert devices_per_node(devices) == count


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize(
    ("options", "overrides", "message"),
    [
        ({"accelerator": "cpu"}, [], None),
        ({"accelerator": "auto"}, [], None),
        ({"accelerator": "gpu"}, ["seed=1"], "trainer.accelerator=gpu needs a GPU, but torch finds none"),
        ({"accelerator": "gpu"}, ["trainer=gpu"], "trainer=gpu needs a GPU, but torch finds none on this machine; try"),
        ({"accelerator": "gpu"}, ["trainer=gpu"], "try trainer=cpu."),
        ({"accelerator": "gpu", "strategy": "ddp"}, ["trainer=ddp", "seed=1"], "trainer=ddp needs a GPU"),
        ({"accelerator": "gpu", "strategy": "ddp"}, ["trainer=ddp"], "try trainer=ddp_cpu."),
        ({"accelerator": "gpu", "devices": 2}, ["trainer.devices=2"], "try trainer=ddp_cpu."),
        ({"accelerator": "mps"}, ["trainer.accelerator=mps"], "trainer.accelerator=mps needs an Apple GPU (Metal)"),
    ],
)
def test_a_missing_device_is_a_message(options: dict[str, Any], overrides: list[str], message: str | None) -> None:
    messages = missing_devices(TrainerOptions(**options), overrides)
    assert messages == [] if message is None else message in messages[0]
    assert len(messages) == (message is not None)


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("cuda", [2], indirect=True)
@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (1, None),
        (2, None),
        ("auto", None),
        ([0, 1], None),
        (4, "trainer.devices is 4, but torch finds 2 on this machine"),
    ],
)
def test_more_devices_than_there_are(devices: Any, message: str | None) -> None:
    trainer = TrainerOptions(accelerator="gpu", devices=devices)
    assert lacks_devices(trainer) == (message is not None)
    assert message is None or message in missing_devices(trainer)[0]


@pytest.mark.parametrize(("accelerator", "count"), [("gpu", 1), ("mps", 1), ("cuda", 0), ("cpu", 0)])
def test_metal_is_one_device(monkeypatch: pytest.MonkeyPatch, accelerator: str, count: int) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert device_count(accelerator) == count
