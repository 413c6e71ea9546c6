"""What can be chosen about a bag of words. Without torch, so that a wrong value is refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seqvise.models.recurrent.options import RecurrentOptions

POOLINGS = ("mean", "max")


@dataclass
class BagOptions(RecurrentOptions):
    """The options of a recurrent model, and how the word vectors become one."""

    pooling: str = "mean"

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        yield from super().problems(key)
        if self.pooling not in POOLINGS:
            yield f"{key}.pooling is '{self.pooling}', but must be one of {', '.join(POOLINGS)}."
