"""Options of word vectors. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seqvise.options import NODE, Options, Problem, at_least, one_of

NAMES = ("none", "fasttext", "trained")
SCALES = ("unit", "times", "none")
MISSING = ("subwords", "mean", "random")
ENDINGS = (".bin", ".vec", ".vec.gz", ".txt", ".txt.gz", ".npz")
LEAST_THREADS = 10
"""With fewer, fastText leaves the rows of the missing threads uninitialised."""


@dataclass
class TrainedOptions(Options):
    """How ``vectors=trained`` trains fastText (skip-gram, Bojanowski et al. 2017, arXiv:1607.04606) on the corpus."""

    epochs: int | None = None  # null: as many as make five million running words, and at least five
    min_count: int = 1  # rarer words get their vectors from their subwords
    threads: int = LEAST_THREADS
    min_n: int = 3  # characters of the shortest subword; 0 for both trains whole words only
    max_n: int = 6  # characters of the longest subword
    buckets: int = 100_000  # rows that subwords share by their hash; memory is buckets * dim * 4 bytes

    def validate(self) -> Iterator[Problem]:
        yield from at_least(self, 1, "epochs", "min_count", "buckets")
        if self.threads < LEAST_THREADS:
            yield (
                "threads",
                f"is {self.threads}, but must be at least {LEAST_THREADS}: with fewer, fastText leaves a part of its "
                "vectors uninitialised. More threads than processors do no harm.",
            )
        if not (self.min_n == self.max_n == 0 or 1 <= self.min_n <= self.max_n):
            yield (
                "min_n",
                f"is {self.min_n} and {NODE}.max_n is {self.max_n}, but a subword has at least 1 character and the "
                "shortest is not longer than the longest; 0 for both trains whole words only.",
            )


@dataclass
class VectorOptions(Options):
    """Initial values of the word embeddings."""

    name: str = "none"
    source: str | None = None  # fasttext: a .bin, .vec, .vec.gz or .txt file of the source language; null: no vectors
    target: str | None = None
    download: bool = False  # fasttext: download a missing file if its name has a known address
    dim: int = 300  # equal to model.embedding
    scale: str = "unit"  # unit: scale vectors from the file to standard deviation 1; times: by `factor`; none
    factor: float = 3.0
    words: int = 50_000  # images: the most frequent words that a run keeps, beside those of labels and nouns
    whiten: float = 0.0  # images: how much directions that all words share are weakened, 0 to 1
    missing: str = "subwords"  # words without a vector: from their subwords, else `mean`; the `mean`; or `random`
    trained: TrainedOptions = field(default_factory=TrainedOptions)

    def validate(self) -> Iterator[Problem]:
        yield from one_of(self, name=NAMES, scale=SCALES, missing=MISSING)
        yield from at_least(self, 1, "dim")
        yield from at_least(self, 0, "words")
        if not 0 <= self.whiten <= 1:
            yield "whiten", f"is {self.whiten}, but must be from 0 (vectors as they are) to 1."
        if self.factor <= 0:
            yield "factor", f"is {self.factor}, but must be above 0."
        if self.download and self.name != "fasttext":
            yield "download", f"is true, but vectors={self.name} reads no file: choose vectors=fasttext."
        if self.name == "fasttext" and self.source is None and self.target is None:
            yield (
                "name",
                f"is fasttext, which needs a file: set {NODE}.source or {NODE}.target or both, or choose "
                "vectors=trained or vectors=none.",
            )
        for side in ("source", "target"):
            path = getattr(self, side)
            if path is not None and not path.endswith(ENDINGS):
                yield side, f"is '{path}', but the file name must end in one of {', '.join(ENDINGS)}."
