"""What a validation shows of what the model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class EmbeddedImages:
    """What a validation leaves to be looked at.

    Attributes:
        titles: of the labels.
        words: (L, D) their vectors, of length 1.
        vectors: (N, D) the images', of length 1.
        labels: (N,) what the images show.
        files: N of them.
    """

    titles: Sequence[str]
    words: NDArray[np.float32]
    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]
    files: Sequence[Path]


@dataclass(frozen=True, eq=False)
class Sample:
    """One translated sentence.

    Attributes:
        source: the source text.
        reference: the text it should have become.
        output: the text it became.
        source_words: S words the encoder read, its end mark included.
        output_words: T words the decoder said, its end mark included.
        attention: (T, S) weights, each row summing to 1; None where the model has no attention.
    """

    source: str
    reference: str
    output: str
    source_words: Sequence[str]
    output_words: Sequence[str]
    attention: npt.NDArray[np.floating] | None = None


def spread(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` places spread evenly over ``count``, the same every time."""
    return [place * count // wanted for place in range(min(count, wanted))] if count >= wanted else list(range(count))
