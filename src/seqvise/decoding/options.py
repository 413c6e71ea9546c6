"""What can be chosen about decoding. Without torch, so that a wrong choice is refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

PENALTIES = ("average", "gnmt", "none")
KEEP, COPY = "keep", "copy"


@dataclass(frozen=True)
class DecodingOptions:
    """How the words are searched for; a command can take each field as a key."""

    beam: Annotated[int, "hypotheses kept at each step; 1 is greedy"] = 1
    nbest: Annotated[int, "hypotheses given for each sentence; with a temperature, that many draws"] = 1
    length_penalty: Annotated[str, "average | gnmt | none: what log-probabilities are divided by"] = "average"
    alpha: Annotated[float, "exponent of the length penalty"] = 1.0
    coverage: Annotated[float, "weight of the penalty for source words that attention left out"] = 0.0
    block_ngrams: Annotated[int, "no n-gram of this many words is said twice; 0 blocks none"] = 0
    min_length: Annotated[int, "fewest words of a translation, the end mark not counted"] = 0
    max_length: Annotated[int | None, "most words of a translation"] = None
    min_ratio: Annotated[float, "at least this many words for each of the source"] = 0.0
    max_ratio: Annotated[float, "at most this many words for each of the source, and max_extra more"] = 1.5
    max_extra: Annotated[int, "see max_ratio"] = 10
    temperature: Annotated[float, "above 0, words are drawn from softmax(logits / temperature)"] = 0.0
    top_k: Annotated[int, "drawn among that many likeliest words; 0 is all"] = 0
    top_p: Annotated[float, "drawn among the likeliest words that together have this probability"] = 1.0
    seed: Annotated[int, "of the draws"] = 0
    unknown: Annotated[
        str, "keep | copy the source word most looked at | FILE of source word, tab, what to write for it"
    ] = KEEP

    @property
    def samples(self) -> bool:
        """Whether words are drawn, not searched for."""
        return self.temperature > 0

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: what stands before each name, as ``decoding.``."""
        for name, least in (("beam", 1), ("nbest", 1), ("max_extra", 0), ("block_ngrams", 0), ("top_k", 0)):
            if getattr(self, name) < least:
                yield f"{key}{name} is {getattr(self, name)}, but must be at least {least}."
        for name in ("alpha", "coverage", "min_ratio", "max_ratio", "temperature"):
            if not 0 <= getattr(self, name) < float("inf"):
                yield f"{key}{name} is {getattr(self, name)}, but must be 0 or more."
        if self.length_penalty not in PENALTIES:
            yield f"{key}length_penalty is '{self.length_penalty}', but must be one of {', '.join(PENALTIES)}."
        if not self.unknown:
            yield f"{key}unknown is empty, but must be {KEEP}, {COPY} or the name of a file."
        yield from self._length_problems(key)
        yield from self._sampling_problems(key)
        if not self.samples and self.nbest > max(self.beam, 1):
            yield (
                f"{key}nbest is {self.nbest}, but {key}beam={self.beam} finds {self.beam} at most: "
                f"set {key}beam={self.nbest}, or {key}temperature=1 to draw them."
            )

    def _length_problems(self, key: str) -> Iterator[str]:
        if self.max_length is not None and self.max_length < 1:
            yield f"{key}max_length is {self.max_length}, but must be at least 1."
        if self.min_length < 0:
            yield f"{key}min_length is {self.min_length}, but must be at least 0."
        if self.max_length is not None and self.min_length > self.max_length:
            yield f"{key}min_length is {self.min_length}, above {key}max_length, which is {self.max_length}."
        if self.min_ratio > self.max_ratio:
            yield f"{key}min_ratio is {self.min_ratio}, above {key}max_ratio, which is {self.max_ratio}."
        if self.max_ratio == 0 and self.max_extra == 0:
            yield f"{key}max_ratio and {key}max_extra are both 0, which leaves no word to say."

    def _sampling_problems(self, key: str) -> Iterator[str]:
        if not 0 < self.top_p <= 1:
            yield f"{key}top_p is {self.top_p}, but must be above 0 and at most 1."
        if not self.samples:
            for name, off in (("top_k", 0), ("top_p", 1.0)):
                if getattr(self, name) != off:
                    yield f"{key}{name}={getattr(self, name)} is for drawn words: set {key}temperature=1 with it."
        elif self.beam > 1:
            yield f"{key}beam={self.beam} searches and {key}temperature={self.temperature} draws: give one of them."
