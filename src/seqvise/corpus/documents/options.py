"""Options of documents, with or without labels. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seqvise.corpus.options import ENCODING_ERRORS, RANDOM, REFUSE, dataset_errors
from seqvise.options import NODE, Options, Problem, at_least, one_of

TEXT_FORMATS = ("phrasebook", "lines", "tabbed", "csv", "folders")
TABLES = ("tabbed", "csv")
LABELLED = ("phrasebook", "tabbed", "csv", "folders")
STREAM, LABELS = "text_lines", "text_labels"


@dataclass
class TextOptions(Options):
    """Documents: their files, and which of them are kept."""

    kind: str = STREAM
    name: str = "text"
    format: str = "lines"
    root: str | None = None
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    language: str = "en"
    columns: list[str] = field(default_factory=lambda: ["label", "text"])  # tabbed: names, from the left
    text: str = "text"  # tabbed, csv: the column of the documents
    label: str = "label"  # tabbed, csv: the column of their labels
    html: bool = False  # remove tags, and replace entities by characters
    on_bad: str = REFUSE  # tabbed, csv: a row with another number of fields
    encoding_errors: str = "refuse"
    max_characters: int | None = None  # longer documents are dropped
    limit: int | None = None  # documents of the training part
    limit_choice: str = RANDOM
    valid_fraction: float = 0.1
    seed: int = 0  # of the hash that chooses validation documents
    backwards: bool = False  # each document is read from its last word to its first
    workers: int = 0

    def validate(self) -> Iterator[Problem]:
        yield from dataset_errors(self)
        yield from one_of(self, format=TEXT_FORMATS)
        yield from self._validate_files()
        yield from one_of(self, encoding_errors=ENCODING_ERRORS)
        yield from at_least(self, 1, "max_characters", null="for no limit")

    def _validate_files(self) -> Iterator[Problem]:
        if self.format == "phrasebook":
            if self.language not in ("en", "fr"):
                yield "language", f"is '{self.language}', but the phrasebook has fr and en only."
            return
        if not self.root:
            yield "root", "is not set: set it to the folder that holds the text."
        if not self.train and self.format != "folders":
            yield "train", "is not set: set it to the file name of the training part."
        if self.format == "tabbed" and self.columns.count(self.text) != 1:
            yield "text", f"is '{self.text}', but must be named once in {NODE}.columns={self.columns}."


@dataclass
class StreamOptions(TextOptions):
    """Documents as one stream of tokens, read in columns, for a language model."""

    bptt: int = 70  # tokens of a step, through which gradients are propagated
    bptt_deviation: float = 5.0
    bptt_halved: float = 0.05  # fraction of the steps that have half the length
    bptt_least: int = 5
    batch_size: int = 64  # columns per process
    valid_batch_size: int = 10

    def validate(self) -> Iterator[Problem]:
        yield from super().validate()
        yield from at_least(self, 1, "bptt", "bptt_least", "batch_size", "valid_batch_size")
        if self.bptt_least > self.bptt:
            yield "bptt_least", f"is {self.bptt_least}, above {NODE}.bptt, which is {self.bptt}."
        yield from at_least(self, 0, "bptt_deviation")
        if not 0 <= self.bptt_halved <= 1:
            yield "bptt_halved", f"is {self.bptt_halved}, but must be a fraction from 0 to 1."


@dataclass
class LabelOptions(TextOptions):
    """Documents with labels, in batches of similar lengths, for a classifier."""

    kind: str = LABELS
    name: str = "documents"
    format: str = "tabbed"
    batch_size: int = 32  # documents per process
    valid_batch_size: int = 64

    def validate(self) -> Iterator[Problem]:
        yield from super().validate()
        if self.format not in LABELLED:
            yield "format", f"is '{self.format}', which has no labels: choose one of {', '.join(LABELLED)}."
        yield from at_least(self, 1, "batch_size", "valid_batch_size")
        if self.format == "tabbed" and self.columns.count(self.label) != 1:
            yield "label", f"is '{self.label}', but must be named once in {NODE}.columns={self.columns}."
        if self.format in TABLES and self.label == self.text:
            yield "label", f"and {NODE}.text are both '{self.text}': name two columns."
