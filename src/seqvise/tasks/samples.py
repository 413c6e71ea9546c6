"""What a validation shows of what the model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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
