"""What a validation provides for dashboards: generated text, embedded images, and the other fields of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class EmbeddedImages:
    """The images of a validation and the labels, in the space of word vectors.

    Attributes:
        titles: titles of the L labels.
        words: (L, D) unit vectors of the labels.
        vectors: (N, D) unit vectors of the images.
        labels: (N,) labels of the images.
        files: the N image files.
    """

    titles: Sequence[str]
    words: NDArray[np.float32]
    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]
    files: Sequence[Path]


@dataclass(frozen=True, eq=False)
class Sample:
    """A translated sentence, or a prompt with its continuation.

    Attributes:
        source: the source text.
        reference: the reference text.
        output: the generated text.
        source_words: the S words of the encoder's input, including ``<eos>`` for a translation.
        output_words: the T generated words, including ``<eos>`` if the attention has its step.
        attention: (T, S) weights, each row summing to 1; None for a model without attention.
    """

    source: str
    reference: str
    output: str
    source_words: Sequence[str]
    output_words: Sequence[str]
    attention: npt.NDArray[np.floating] | None = None


Counts = NDArray[np.int64]


class TaskFields:
    """What callbacks and the training command read of a task, with values for a task that has none of it.

    Attributes:
        unit: what a batch has several of.
        scheduled: the numbers that `schedule.others` and teacher forcing change; None if there are none.
        last_tokens: tokens of the last training step.
        last_share: factor by which the last training step scaled the batch's mean loss.
        samples: generated text of the last validation.
        attention_entropy: of the last validation, see ``entropy_of``; and that of uniform attention.
        confusion: (L, L) counts of the last validation, rows are true labels, columns predicted labels.
        labels: the L names.
        signatures: metric -> how it was computed; ``signature/...`` of ``metrics.json``.
        extra_metrics: further content of ``metrics.json``.
    """

    unit: str = "sentences"
    scheduled: dict[str, float] | None = None
    last_tokens: int = 0
    last_share: Tensor | float = 1.0
    samples: Sequence[Sample] = ()
    attention_entropy: tuple[float, float] | None = None
    confusion: Counts | None = None
    labels: Sequence[str] = ()
    signatures: Mapping[str, str] = MappingProxyType({})
    extra_metrics: Mapping[str, str] = MappingProxyType({})

    @property
    def embedded_images(self) -> EmbeddedImages | None:
        """The images of the last validation."""
        return None

    @property
    def precision_note(self) -> str | None:
        """The precision of each part, with the reason for it; None for that of the trainer."""
        return None

    @property
    def projection_precision(self) -> str | None:
        """The precision of the output projection, ``fp32`` or ``bf16``, if it has one of its own."""
        return None


DEFAULTS = TaskFields()
FIELDS = tuple(name for name in vars(TaskFields) if not name.startswith("_"))


def fields_of(module: pl.LightningModule) -> TaskFields:
    """The fields of a task. A LightningModule that does not extend ``Task`` may have any of them."""
    if isinstance(module, TaskFields):
        return module
    fields = {name: getattr(module, name, getattr(DEFAULTS, name)) for name in FIELDS}
    return cast(TaskFields, SimpleNamespace(**fields))


def evenly_spaced(length: int, count: int) -> list[int]:
    """At most ``count`` evenly spaced indices below ``length``."""
    return [index * length // count for index in range(count)] if length >= count else list(range(length))
