"""Reads learning curves from the files of a run's logger."""

from __future__ import annotations

import csv
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqvise.moved import current_metrics, metric_names
from seqvise.reports.job import Job

EVENTS, CSV_FILE = "events.out.tfevents.*", "metrics.csv"
HEAD, TAIL = 12, 4
"""Bytes before a record of an events file (length as little-endian uint64, and a checksum), and bytes after it."""

Points = list[tuple[int, float]]


def learning_curve(job: Job, metric: str) -> Points:
    """A metric by training step, in order; empty if it was not logged.

    If a step was logged twice, as after a resume, the later value counts.
    """
    values: dict[int, float] = {}
    for file in sorted(job.path.glob(EVENTS), key=lambda path: path.stat().st_mtime):
        values |= dict(_event_values(file, metric))
    if not values and (job.path / CSV_FILE).is_file():
        values = dict(_csv_values(job.path / CSV_FILE, metric))
    return sorted((step, value) for step, value in values.items() if math.isfinite(value))


def _event_values(file: Path, metric: str) -> Iterator[tuple[int, float]]:
    """Scalars of a TensorBoard file. The last record may be incomplete."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    names = metric_names(metric)
    for record in _records(file):
        if not any(name.encode() in record for name in names):
            continue
        try:
            event = Event.FromString(record)
        except DecodeError:
            return
        for value in event.summary.value:
            if value.tag in names:
                yield event.step, _scalar(value)


def _records(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while len(head := stream.read(HEAD)) == HEAD:
            (length,) = struct.unpack("<Q", head[:8])
            # A corrupt length would allocate too much memory.
            if length > file.stat().st_size:
                return
            record = stream.read(length)
            if len(record) < length or len(stream.read(TAIL)) < TAIL:
                return
            yield record


def _scalar(value: Any) -> float:
    """The number of a scalar summary, in both formats of TensorBoard's writers."""
    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    if value.tensor.float_val:
        return float(value.tensor.float_val[0])
    content = value.tensor.tensor_content
    return float(struct.unpack("<f", content)[0]) if len(content) == 4 else math.nan


def _csv_values(file: Path, metric: str) -> Iterator[tuple[int, float]]:
    """Values in the file of Lightning's CSV logger."""
    with file.open(encoding="utf-8", errors="replace", newline="") as stream:
        for line in csv.DictReader(stream):
            try:
                yield int(line["step"]), float(current_metrics(line)[metric])
            except (KeyError, TypeError, ValueError):
                continue
