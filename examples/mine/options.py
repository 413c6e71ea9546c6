"""Options of a bag of words. Without torch, so that a wrong value is refused before torch is imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.options import Problem

POOLINGS = ("mean", "max")


@dataclass
class BagOptions(RecurrentOptions):
    """Options of a recurrent model, and the pooling of the word vectors."""

    pooling: str = "mean"

    def validate(self) -> Iterator[Problem]:
        yield from super().validate()
        if self.pooling not in POOLINGS:
            yield "pooling", f"is '{self.pooling}', but must be one of {', '.join(POOLINGS)}."
