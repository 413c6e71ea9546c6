"""Options of the bag-of-words model. This module does not import torch, so that wrong values are refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seqvise.models.recurrent.options import RecurrentOptions

POOLINGS = ("mean", "max")


@dataclass
class BagOptions(RecurrentOptions):
    """The options of a recurrent model, and the pooling of the word vectors."""

    pooling: str = "mean"

    def problems(self, key: str) -> Iterator[str]:
        """Yields a message for each invalid value. key: the full name of the node."""
        yield from super().problems(key)
        if self.pooling not in POOLINGS:
            yield f"{key}.pooling is '{self.pooling}', but must be one of {', '.join(POOLINGS)}."
