"""Writes events files of TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


def write_events(folder: Path, tag: str, points: Sequence[tuple[int, float]], suffix: str = "") -> Path:
    """Writes an events file with a scalar at each step."""
    before = set(folder.glob("events*"))
    writer = EventFileWriter(str(folder), filename_suffix=suffix)
    for step, value in points:
        values = [Summary.Value(tag=f"{tag}_more", simple_value=-1.0), Summary.Value(tag=tag, simple_value=value)]
        writer.add_event(Event(step=step, wall_time=0.0, summary=Summary(value=values)))
    writer.close()
    (file,) = set(folder.glob("events*")) - before
    return file
