"""The fields that callbacks read of a task, and of a LightningModule that does not extend ``Task``."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
from torch import nn

from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.base import Task, TextTask
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.samples import FIELDS, Sample, TaskFields, fields_of
from tests.callbacks.tiny import TinyTask, trainer_for


def test_a_foreign_module_has_its_own_fields_and_the_defaults_of_the_others() -> None:
    task = TinyTask()
    task.samples = [Sample("a", "b", "c", ["a"], ["c"])]  # type: ignore[assignment]
    fields = fields_of(task)
    assert (fields.last_tokens, len(fields.samples), fields.unit) == (12, 1, "sentences")
    assert fields.scheduled is task.scheduled, "the schedule writes into the task's own dict"
    assert (fields.confusion, fields.precision_note, dict(fields.extra_metrics)) == (None, None, {})
    assert fields_of(pl.LightningModule()).scheduled is None


def test_a_task_is_its_own_fields() -> None:
    assert issubclass(Task, TaskFields)
    assert not set(FIELDS) & set(dir(pl.LightningModule)), "no field hides a part of Lightning"
    assert {"samples", "confusion", "labels", "embedded_images", "precision_note", "last_share"} <= set(FIELDS)


@pytest.mark.parametrize(
    ("precision", "projection", "note"),
    [
        ("32-true", "bf16", "fp32; output projection bf16 (loss.precision)"),
        ("bf16-mixed", "fp32", "bf16-mixed; output projection fp32 (loss.precision)"),
    ],
)
def test_the_precision_of_both_parts_is_named(tmp_path: Path, precision: str, projection: str, note: str) -> None:
    others = OptimizerOptions(), ScheduleOptions(), MonitorOptions()
    task = TextTask(nn.Linear(1, 1), LossOptions(precision=projection), *others, seed=1)
    task.trainer = trainer_for(tmp_path, precision=precision)
    fields = fields_of(task)
    assert (fields.precision_note, fields.projection_precision) == (note, projection)
