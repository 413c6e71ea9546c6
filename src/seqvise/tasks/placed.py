"""Images that a model has put among words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Placed:
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
