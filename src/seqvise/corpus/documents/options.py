"""What a person chooses about text that is read by itself, with or without labels. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seqvise.corpus.options import ENCODING_ERRORS, LIMIT_CHOICES, ON_BAD, RANDOM, REFUSE

TEXT_FORMATS = ("phrasebook", "lines", "tabbed", "csv", "folders")
TABLES = ("tabbed", "csv")
LABELLED = ("phrasebook", "tabbed", "csv", "folders")
STREAM, LABELS = "text_lines", "text_labels"


@dataclass
class TextOptions:
    """Documents: where they lie, and what is kept of them."""

    kind: str = STREAM
    name: str = "text"
    format: str = "lines"
    root: str | None = None
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    language: str = "en"
    columns: list[str] = field(default_factory=lambda: ["label", "text"])  # tabbed: from the left
    text: str = "text"  # tabbed, csv: the column of the documents
    label: str = "label"  # ... and of their labels
    html: bool = False  # tags are left out and entities become characters
    on_bad: str = REFUSE  # tabbed, csv: a row of another number of fields
    encoding_errors: str = "refuse"
    max_characters: int | None = None  # longer documents are dropped
    limit: int | None = None  # documents of the training part
    limit_choice: str = RANDOM
    valid_fraction: float = 0.1
    seed: int = 0  # of the hash that chooses validation documents
    backwards: bool = False  # each document is read from its last word to its first
    workers: int = 0

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if not self.name or "/" in self.name or self.name.startswith("."):
            yield f"{key}.name is '{self.name}', but it names a folder of the cache: give one plain word."
        if self.format not in TEXT_FORMATS:
            yield f"{key}.format is '{self.format}', but must be one of {', '.join(TEXT_FORMATS)}."
        yield from self._problems_of_files(key)
        yield from self._problems_of_selection(key)

    def _problems_of_files(self, key: str) -> Iterator[str]:
        if self.format == "phrasebook":
            if self.language not in ("en", "fr"):
                yield f"{key}.language is '{self.language}', but the phrasebook knows fr and en only."
            return
        if not self.root:
            yield f"{key}.root is not set: give the folder that holds the text."
        if not self.train and self.format != "folders":
            yield f"{key}.train is not set: give the file name of the training part."
        if self.format == "tabbed" and self.columns.count(self.text) != 1:
            yield f"{key}.text is '{self.text}', but must be named once in {key}.columns={self.columns}."

    def _problems_of_selection(self, key: str) -> Iterator[str]:
        if self.encoding_errors not in ENCODING_ERRORS:
            wanted = " or ".join(ENCODING_ERRORS)
            yield f"{key}.encoding_errors is '{self.encoding_errors}', but must be {wanted}."
        if self.on_bad not in ON_BAD:
            yield f"{key}.on_bad is '{self.on_bad}', but must be one of {', '.join(ON_BAD)}."
        for name in ("max_characters", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{key}.{name} is {value}, but must be at least 1, or null for no limit."
        if self.limit_choice not in LIMIT_CHOICES:
            yield f"{key}.limit_choice is '{self.limit_choice}', but must be one of {', '.join(LIMIT_CHOICES)}."
        most = 0.5 if self.format == "phrasebook" else 1
        if not 0 < self.valid_fraction < most:
            yield f"{key}.valid_fraction is {self.valid_fraction}, but must be above 0 and below {most}."
        if not 0 <= self.seed < 2**63:
            yield f"{key}.seed is {self.seed}, but must be at least 0 and below 2**63."
        if self.workers < 0:
            yield f"{key}.workers is {self.workers}, but must be 0 (load in the training process) or more."


@dataclass
class StreamOptions(TextOptions):
    """Documents as one stream of words, read in columns, for a language model."""

    bptt: int = 70  # words that a training step goes back through
    bptt_deviation: float = 5.0
    bptt_halved: float = 0.05  # share of the steps that go half as far
    bptt_least: int = 5
    batch_size: int = 64  # columns of a process
    valid_batch_size: int = 10

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        yield from super().problems(key)
        for name in ("bptt", "bptt_least", "batch_size", "valid_batch_size"):
            if getattr(self, name) < 1:
                yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        if self.bptt_least > self.bptt:
            yield f"{key}.bptt_least is {self.bptt_least}, above {key}.bptt, which is {self.bptt}."
        if self.bptt_deviation < 0:
            yield f"{key}.bptt_deviation is {self.bptt_deviation}, but cannot be negative."
        if not 0 <= self.bptt_halved <= 1:
            yield f"{key}.bptt_halved is {self.bptt_halved}, but must be a share from 0 to 1."


@dataclass
class LabelOptions(TextOptions):
    """Documents with labels, in batches of about one length, for a classifier."""

    kind: str = LABELS
    format: str = "tabbed"
    batch_size: int = 32  # documents of a process
    valid_batch_size: int = 64

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        yield from super().problems(key)
        if self.format not in LABELLED:
            yield f"{key}.format is '{self.format}', which has no labels: choose one of {', '.join(LABELLED)}."
        for name in ("batch_size", "valid_batch_size"):
            if getattr(self, name) < 1:
                yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        if self.format == "tabbed" and self.columns.count(self.label) != 1:
            yield f"{key}.label is '{self.label}', but must be named once in {key}.columns={self.columns}."
        if self.format in TABLES and self.label == self.text:
            yield f"{key}.label and {key}.text are both '{self.text}': name two columns."
