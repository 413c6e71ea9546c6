"""Learning curves, from what a run's logger wrote."""

from __future__ import annotations

import csv
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqvise.reports.job import Job

EVENTS, LINES = "events.out.tfevents.*", "metrics.csv"
HEAD, TAIL = 12, 4
"""Bytes before a record of an events file, its length (uint64, little-endian) with a check sum, and behind it."""

Points = list[tuple[int, float]]


def learning_curve(job: Job, metric: str) -> Points:
    """A metric by training step, in order; empty where nothing of it was logged.

    Of a step that was logged twice, as after a run was resumed, the later value counts.
    """
    found: dict[int, float] = {}
    for file in sorted(job.path.glob(EVENTS), key=lambda path: path.stat().st_mtime):
        found |= dict(_of_events(file, metric))
    if not found and (job.path / LINES).is_file():
        found = dict(_of_lines(job.path / LINES, metric))
    return sorted((step, value) for step, value in found.items() if math.isfinite(value))


def _of_events(file: Path, metric: str) -> Iterator[tuple[int, float]]:
    """The scalars of a TensorBoard file. Its last record may be half written."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    for record in _records(file):
        if metric.encode() not in record:
            continue
        try:
            event = Event.FromString(record)
        except DecodeError:
            return
        for value in event.summary.value:
            if value.tag == metric:
                yield event.step, _scalar(value)


def _records(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while len(head := stream.read(HEAD)) == HEAD:
            (length,) = struct.unpack("<Q", head[:8])
            # A length that is not one would ask for all memory.
            if length > file.stat().st_size:
                return
            record = stream.read(length)
            if len(record) < length or len(stream.read(TAIL)) < TAIL:
                return
            yield record


def _scalar(value: Any) -> float:
    """The number of a scalar summary, as TensorBoard's writers of either kind leave it."""
    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    if value.tensor.float_val:
        return float(value.tensor.float_val[0])
    content = value.tensor.tensor_content
    return float(struct.unpack("<f", content)[0]) if len(content) == 4 else math.nan


def _of_lines(file: Path, metric: str) -> Iterator[tuple[int, float]]:
    """The numbers of Lightning's CSV logger."""
    with file.open(encoding="utf-8", errors="replace", newline="") as stream:
        for line in csv.DictReader(stream):
            try:
                yield int(line["step"]), float(line[metric])
            except (KeyError, TypeError, ValueError):
                continue
