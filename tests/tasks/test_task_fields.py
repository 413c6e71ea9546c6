"""The fields that callbacks read of a task, and of a LightningModule that does not extend ``Task``."""

from __future__ import annotations

import pytorch_lightning as pl

from seqvise.tasks.base import Task
from seqvise.tasks.samples import FIELDS, Sample, TaskFields, fields_of
from tests.callbacks.tiny import TinyTask


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
