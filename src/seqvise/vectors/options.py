"""What a person chooses about word vectors. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

NAMES = ("none", "fasttext", "trained")
SCALES = ("unit", "times", "none")
MISSING = ("subwords", "mean", "random")
ENDINGS = (".bin", ".vec", ".vec.gz", ".txt", ".txt.gz", ".npz")
LEAST_THREADS = 10
"""With fewer, fastText leaves the rows of the missing threads uninitialised."""


@dataclass
class TrainedOptions:
    """How ``vectors=trained`` trains fastText (skip-gram, Bojanowski et al. 2017, arXiv:1607.04606) on the corpus."""

    epochs: int | None = None  # null: as many as make five million running words, and five at least
    min_count: int = 1  # rarer words get their vectors from their subwords
    threads: int = LEAST_THREADS
    min_n: int = 3  # characters of the shortest subword; 0 for both trains whole words only
    max_n: int = 6  # ... and of the longest
    buckets: int = 100_000  # rows that subwords share by their hash; memory is buckets * dim * 4 bytes

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        for name in ("epochs", "min_count", "buckets"):
            if (getattr(self, name) or 0) < 1 and not (name == "epochs" and self.epochs is None):
                yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        if self.threads < LEAST_THREADS:
            yield (
                f"{key}.threads is {self.threads}, but must be at least {LEAST_THREADS}: with fewer, fastText leaves "
                "a part of its vectors uninitialised. More threads than processors do no harm."
            )
        if not (self.min_n == self.max_n == 0 or 1 <= self.min_n <= self.max_n):
            yield (
                f"{key}.min_n is {self.min_n} and {key}.max_n is {self.max_n}, but a subword has at least 1 character "
                "and the shortest is not longer than the longest; 0 for both trains whole words only."
            )


@dataclass
class VectorOptions:
    """What the word embeddings start from."""

    name: str = "none"
    source: str | None = None  # fasttext: a .bin, .vec, .vec.gz or .txt file of the source language; null leaves a side
    target: str | None = None
    download: bool = False  # fasttext: a file that is not there is fetched, where its name has a known address
    dim: int = 300  # equal to model.embedding
    scale: str = "unit"  # unit: found vectors get deviation 1 as a whole; times: times `factor`; none: as they are
    factor: float = 3.0
    words: int = 50_000  # images: the most frequent words that a run keeps, beside those of labels and nouns
    whiten: float = 0.0  # images: by how much directions that all words share are made weaker, 0 to 1
    missing: str = "subwords"  # words without a vector: from their subwords, else `mean`; the `mean`; or `random`
    trained: TrainedOptions = field(default_factory=TrainedOptions)

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        for name, allowed in (("name", NAMES), ("scale", SCALES), ("missing", MISSING)):
            if getattr(self, name) not in allowed:
                yield f"{key}.{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        if self.dim < 1:
            yield f"{key}.dim is {self.dim}, but must be at least 1."
        if self.words < 0:
            yield f"{key}.words is {self.words}, but must be at least 0."
        if not 0 <= self.whiten <= 1:
            yield f"{key}.whiten is {self.whiten}, but must be from 0 (vectors as they are) to 1."
        if self.factor <= 0:
            yield f"{key}.factor is {self.factor}, but must be above 0."
        if self.download and self.name != "fasttext":
            yield f"{key}.download is true, but {key}={self.name} reads no file: choose {key}=fasttext."
        yield from self._file_problems(key)
        yield from self.trained.problems(f"{key}.trained")

    def _file_problems(self, key: str) -> Iterator[str]:
        if self.name == "fasttext" and self.source is None and self.target is None:
            yield (
                f"{key}=fasttext needs a file: set {key}.source or {key}.target or both, or choose {key}=trained or "
                f"{key}=none."
            )
        for side in ("source", "target"):
            path = getattr(self, side)
            if path is not None and not path.endswith(ENDINGS):
                yield f"{key}.{side} is '{path}', but its name must end in one of {', '.join(ENDINGS)}."
