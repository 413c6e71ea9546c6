"""Samples that a validation provides for dashboards: generated text, and embedded images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray


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


def evenly_spaced(length: int, count: int) -> list[int]:
    """At most ``count`` evenly spaced indices below ``length``."""
    return [index * length // count for index in range(count)] if length >= count else list(range(length))
