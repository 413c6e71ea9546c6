"""Options of decoding. Without torch, so that a wrong value is refused before torch is imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from seqvise.options import NODE, Options, Problem, at_least, one_of

PENALTIES = ("average", "gnmt", "none")
KEEP, COPY = "keep", "copy"


@dataclass(frozen=True)
class DecodingOptions(Options):
    """How translations are decoded; each field can be a key of a command."""

    beam: Annotated[int, "hypotheses kept at each step; 1 is greedy"] = 1
    nbest: Annotated[int, "hypotheses returned for each sentence; with a temperature, that many samples"] = 1
    length_penalty: Annotated[str, "average | gnmt | none: divisor of the log-probabilities"] = "average"
    alpha: Annotated[float, "exponent of the length penalty"] = 1.0
    coverage: Annotated[float, "weight of the penalty for source words without attention"] = 0.0
    block_ngrams: Annotated[int, "no n-gram of this many words is repeated; 0 blocks none"] = 0
    min_length: Annotated[int, "minimum words of a translation, <eos> not counted"] = 0
    max_length: Annotated[int | None, "maximum words of a translation"] = None
    min_ratio: Annotated[float, "minimum words per source word"] = 0.0
    max_ratio: Annotated[float, "maximum words per source word, plus max_extra"] = 1.5
    max_extra: Annotated[int, "see max_ratio"] = 10
    temperature: Annotated[float, "above 0, words are sampled from softmax(logits / temperature)"] = 0.0
    top_k: Annotated[int, "sample from this many most likely words; 0 is all"] = 0
    top_p: Annotated[float, "sample from the most likely words that together have this probability"] = 1.0
    seed: Annotated[int, "seed of the samples"] = 0
    unknown: Annotated[
        str, "keep | copy (the source word with the most attention) | FILE (lines of source word, tab, replacement)"
    ] = KEEP

    @property
    def samples(self) -> bool:
        """Whether words are sampled instead of searched for."""
        return self.temperature > 0

    def validate(self) -> Iterator[Problem]:
        yield from at_least(self, 1, "beam", "nbest")
        yield from at_least(self, 0, "max_extra", "block_ngrams", "top_k")
        for name in ("alpha", "coverage", "min_ratio", "max_ratio", "temperature"):
            if not 0 <= getattr(self, name) < float("inf"):
                yield name, f"is {getattr(self, name)}, but must be 0 or more."
        yield from one_of(self, length_penalty=PENALTIES)
        if not self.unknown:
            yield "unknown", f"is empty, but must be {KEEP}, {COPY} or the name of a file."
        yield from self._validate_length()
        yield from self._validate_sampling()
        if not self.samples and self.nbest > max(self.beam, 1):
            yield (
                "nbest",
                f"is {self.nbest}, but {NODE}.beam={self.beam} finds at most {self.beam}: set {NODE}.beam={self.nbest}"
                f" or {NODE}.temperature=1.",
            )

    def _validate_length(self) -> Iterator[Problem]:
        yield from at_least(self, 1, "max_length")
        yield from at_least(self, 0, "min_length")
        if self.max_length is not None and self.min_length > self.max_length:
            yield "min_length", f"is {self.min_length}, above {NODE}.max_length, which is {self.max_length}."
        if self.min_ratio > self.max_ratio:
            yield "min_ratio", f"is {self.min_ratio}, above {NODE}.max_ratio, which is {self.max_ratio}."
        if self.max_ratio == 0 and self.max_extra == 0:
            yield "max_ratio", f"and {NODE}.max_extra are both 0, which allows no word: raise one of them."

    def _validate_sampling(self) -> Iterator[Problem]:
        if not 0 < self.top_p <= 1:
            yield "top_p", f"is {self.top_p}, but must be above 0 and at most 1."
        if not self.samples:
            for name, off in (("top_k", 0), ("top_p", 1.0)):
                if getattr(self, name) != off:
                    value = getattr(self, name)
                    yield name, f"is {value}, but only applies to sampling: set {NODE}.temperature=1 with it."
        elif self.beam > 1:
            yield (
                "beam",
                f"is {self.beam}, which searches, but {NODE}.temperature={self.temperature} samples: set only one of "
                "them.",
            )


MAX_SAMPLES = 1000
"""Maximum number of continuations of a prompt, which are generated at once."""
MAX_GENERATED = 10_000
"""Maximum number of words of a continuation."""


@dataclass(frozen=True)
class GenerationOptions(Options):
    """How a language model continues a prompt; each field can be a key of a command."""

    temperature: Annotated[float, "words are sampled from softmax(logits / temperature); below 1, likely ones more"] = (
        1.0
    )
    top_k: Annotated[int | None, "sample from this many most likely words; 1 takes the most likely; default all"] = None
    top_p: Annotated[float, "sample from the most likely words that together have this probability"] = 1.0
    n: Annotated[int, "continuations of each prompt"] = 1
    seed: Annotated[int, "seed of the samples"] = 0
    max_length: Annotated[int, "maximum words of a continuation"] = 50

    def validate(self) -> Iterator[Problem]:
        if not 0 < self.temperature < float("inf"):
            yield (
                "temperature",
                f"is {self.temperature}, but must be above 0: set {NODE}.top_k=1 for the most likely words.",
            )
        yield from at_least(self, 1, "top_k", "n", "max_length")
        if self.max_length > MAX_GENERATED:
            yield "max_length", f"is {self.max_length}, but must be at most {MAX_GENERATED}."
        if self.n > MAX_SAMPLES:
            yield (
                "n",
                f"is {self.n}, but must be at most {MAX_SAMPLES}: generate more with other values of {NODE}.seed.",
            )
        if not 0 < self.top_p <= 1:
            yield "top_p", f"is {self.top_p}, but must be above 0 and at most 1."

    def decoding(self) -> DecodingOptions:
        """The same as decoding options."""
        return DecodingOptions(
            nbest=self.n,
            temperature=self.temperature,
            top_k=self.top_k or 0,
            top_p=self.top_p,
            seed=self.seed,
            max_length=self.max_length,
            max_ratio=0.0,
            max_extra=self.max_length,
        )
