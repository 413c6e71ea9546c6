"""What a person chooses about a parallel corpus and its tokens. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

SOURCE_FORMATS = ("phrasebook", "tabbed", "paired")
TOKENIZERS = ("spacy", "words", "chars")
CASES = ("lower", "marked", "keep")


@dataclass
class SideLimits:
    """A number for each side; null is no limit."""

    source: int | None = None
    target: int | None = None


@dataclass
class DataOptions:
    """A parallel corpus: where it lies, what is kept of it, how it becomes batches."""

    name: str = "files"
    format: str = "paired"
    root: str | None = None
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    source: str = "fr"
    target: str = "en"
    source_language: str | None = None  # null: the same as `source`
    target_language: str | None = None
    columns: list[str] = field(default_factory=lambda: ["en", "fr"])  # tabbed: language of each column
    questions_only: bool = False
    question_patterns: dict[str, str] = field(
        default_factory=dict
    )  # language -> regular expression, searched at the start
    deduplicate: bool = True
    limit: int | None = None  # pairs of the training part, after filtering
    max_tokens: SideLimits = field(default_factory=SideLimits)  # longer pairs are dropped (<eos> not counted)
    cut_percentile: float | None = None  # longer sentences are cut at this percentile of training lengths, <eos> kept
    valid_fraction: float = 0.1
    seed: int = 0  # of the hash that chooses validation pairs
    batch_size: int = 64  # sentences a process and step; null in favour of batch_tokens
    batch_tokens: int | None = None  # instead: padded target + source tokens a batch
    valid_batch_size: int = 128
    bucket: int = 1  # source lengths are padded up to a multiple of this
    workers: int = 0

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        raise NotImplementedError
        yield


@dataclass
class TokenizerOptions:
    """How text becomes words and words become ids."""

    name: str = "spacy"
    case: str = "lower"
    normalise: bool = True  # typographic quotes, dashes, spaces and ellipses to one form each
    max_words: int | None = 40_000  # a side
    min_count: int = 1
    shared: bool = False  # one vocabulary for both sides

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        raise NotImplementedError
        yield
