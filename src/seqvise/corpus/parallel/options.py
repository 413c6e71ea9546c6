"""Options of a parallel corpus and its batches. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seqvise.corpus.options import ENCODING_ERRORS, RANDOM, REFUSE, dataset_errors
from seqvise.corpus.parallel.scripts import SCRIPTS
from seqvise.options import NODE, Options, Problem, at_least, one_of

SOURCE_FORMATS = ("phrasebook", "tabbed", "paired", "csv", "parquet")
STANDARD_INPUT = "-"
MOST_COPIES = 1000
QUESTION_PATTERNS = {"en": r"^(Wh[^?.!]+\?)", "fr": r"^([^?.!]+\?)"}
"""The question patterns of the fast.ai (2018) lesson, which apply if ``question_patterns`` is empty."""


@dataclass
class SideLimits(Options):
    """A limit for each side; null is no limit."""

    source: int | None = None
    target: int | None = None

    def validate(self) -> Iterator[Problem]:
        yield from at_least(self, 1, "source", "target", null="for no limit")


@dataclass
class SideScripts(Options):
    """Names of Unicode scripts for each side; null accepts all."""

    source: list[str] | None = None
    target: list[str] | None = None

    def validate(self) -> Iterator[Problem]:
        for side in ("source", "target"):
            scripts = getattr(self, side)
            if scripts == []:
                yield side, "is an empty list: name a script, or set it to null for all of them."
            for script in scripts or ():
                if script not in SCRIPTS:
                    yield side, f"has '{script}', but must be names from {', '.join(sorted(SCRIPTS))}."


@dataclass
class DataOptions(Options):
    """A parallel corpus: its files, which pairs are kept, and its batches."""

    kind: str = "parallel"
    name: str = "files"
    format: str = "paired"
    root: str | None = None
    train: Any = None  # a name, or a list of names
    valid: Any = None
    test: Any = None
    weights: list[float] | None = None  # for each name in `train`, how often each of its pairs is used
    download: bool = False  # download missing files if `name` has a known address
    source: str = "fr"
    target: str = "en"
    source_language: str | None = None  # null: the same as `source`
    target_language: str | None = None
    reverse_target: bool = False  # the model predicts the target from its last word to its first
    columns: list[str] = field(default_factory=lambda: ["en", "fr"])  # tabbed: language of each column
    on_bad: str = REFUSE  # tabbed, csv: a row with another number of fields
    encoding_errors: str = "refuse"
    max_characters: int | None = 10_000  # of each side; null: no limit, and a line of any length is held in memory
    questions_only: bool = False
    question_patterns: dict[str, str] = field(default_factory=dict)  # language -> regular expression
    deduplicate: bool = True
    exact_duplicates: bool = True  # false: only the last 4 million pairs are remembered, in constant memory
    drop_copies: bool = False
    max_ratio: float | None = None  # of the characters of the longer side to those of the shorter
    scripts: SideScripts = field(default_factory=SideScripts)
    limit: int | None = None  # pairs of the training part, after filtering
    limit_choice: str = RANDOM
    max_tokens: SideLimits = field(default_factory=SideLimits)  # longer pairs are dropped (<eos> not counted)
    cut_percentile: Any = None  # a number, or {source, target}: cut at this percentile of lengths, <eos> kept
    valid_fraction: float = 0.1
    seed: int = 0  # of the hash that chooses validation pairs
    batch_size: int | None = 64  # sentences per process and step; null if batch_tokens is set
    batch_tokens: int | None = None  # instead: maximum of source + target tokens per process and step
    count_padding: bool = True  # batch_tokens counts padding; false: real tokens, on average
    valid_batch_size: int = 128
    bucket: int = 1  # source lengths are padded up to a multiple of this
    rare_as_unknown: float | None = None  # in training a source word seen n times is <unk> with probability a / (a + n)
    workers: int = 0
    prepare_workers: int | None = None  # processes that tokenize the text; null: one per core

    def __post_init__(self) -> None:
        if self.batch_tokens is not None:
            self.batch_size = None

    def validate(self) -> Iterator[Problem]:
        yield from one_of(self, format=SOURCE_FORMATS)
        yield from self._validate_files()
        yield from one_of(self, encoding_errors=ENCODING_ERRORS)
        yield from at_least(self, 1, "max_characters", "max_ratio", null="for no limit")
        yield from self._validate_sides()
        yield from self._validate_questions()
        yield from self._validate_percentiles()
        yield from self._validate_batches()
        yield from dataset_errors(self)

    def languages(self) -> tuple[str, str]:
        """Codes of the source and the target language."""
        return self.source_language or self.source, self.target_language or self.target

    def names(self, part: str) -> list[str]:
        """The names in ``train``, ``valid`` or ``test`` as a list."""
        value = getattr(self, part)
        return [] if value is None else [str(name) for name in value] if isinstance(value, list) else [str(value)]

    def _validate_files(self) -> Iterator[Problem]:
        if self.format not in SOURCE_FORMATS[1:]:
            return
        if not self.root and self.names("train") != [STANDARD_INPUT]:
            yield "root", "is not set: set it to the folder that holds the corpus."
        if not self.train:
            wanted = "file name without the language suffix" if self.format == "paired" else "file name"
            yield "train", f"is not set: set it to the {wanted} of the training part."
        for part in ("train", "valid", "test"):
            yield from self._validate_names(part)
        names = self.names("train")
        if self.weights is not None and len(self.weights) != len(names):
            count = len(self.weights)
            yield "weights", f"has {count} numbers, but {NODE}.train {len(names)} names: set one number for each name."
        if not all(0 < weight <= MOST_COPIES for weight in self.weights or ()):
            yield "weights", f"is {self.weights}, but each must be above 0 and at most {MOST_COPIES}."

    def _validate_names(self, part: str) -> Iterator[Problem]:
        value, names = getattr(self, part), self.names(part)
        if isinstance(value, dict) or any(isinstance(name, dict | list) or not name for name in names):
            yield part, f"is {value}, but must be a name, or a list of names such as [europarl,news]."
        elif STANDARD_INPUT in names and (part != "train" or len(names) > 1 or self.format not in ("tabbed", "csv")):
            yield (
                part,
                f"has '-', standard input, but that can only be all of {NODE}.train, with {NODE}.format=tabbed or csv.",
            )

    def _validate_sides(self) -> Iterator[Problem]:
        if self.source == self.target:
            yield (
                "source",
                f"and {NODE}.target are both '{self.source}', but they name the two sides: set two names, and "
                f"{NODE}.source_language and {NODE}.target_language if both sides are in one language.",
            )
        if self.format == "phrasebook" and {self.source, self.target} - {"fr", "en"}:
            yield (
                "source",
                f"is {self.source} and {NODE}.target is {self.target}, but the phrasebook has fr and en only.",
            )
        if self.format != "tabbed":
            return
        for name, value in (("source", self.source), ("target", self.target)):
            if self.columns.count(value) != 1:
                yield name, f"is '{value}', but must be named once in {NODE}.columns={self.columns}."

    def _validate_questions(self) -> Iterator[Problem]:
        for language, pattern in self.question_patterns.items():
            try:
                re.compile(pattern)
            except re.error as error:
                yield f"question_patterns.{language}", f"is not a regular expression ({error}): {pattern}"
        known = self.question_patterns or QUESTION_PATTERNS
        if self.questions_only:
            for language in sorted(set(self.languages()) - set(known)):
                yield (
                    "questions_only",
                    f"is true, but there is no pattern for '{language}': set {NODE}.question_patterns.{language}.",
                )

    def _validate_percentiles(self) -> Iterator[Problem]:
        numbers = [number for number in self._sides().values() if number is not None]
        is_number = all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers)
        if (
            not is_number
            or not all(0 < number <= 100 for number in numbers)
            or self._sides().keys() - {"source", "target"}
        ):
            yield (
                "cut_percentile",
                f"is {self.cut_percentile}, but must be above 0 and at most 100, null, or a number for each side, as "
                "in {source: 97, target: 99}.",
            )

    def _sides(self) -> dict[str, Any]:
        value = self.cut_percentile
        return value if isinstance(value, dict) else {"source": value, "target": value}

    def percentiles(self) -> dict[str, float | None]:
        """``cut_percentile`` of each side, ``source`` and ``target``."""
        numbers = {side: self._sides().get(side) for side in ("source", "target")}
        return {side: None if number is None else float(number) for side, number in numbers.items()}

    def _validate_batches(self) -> Iterator[Problem]:
        if self.batch_size is None and self.batch_tokens is None:
            yield "batch_size", f"and {NODE}.batch_tokens are null: set one of them to a number."
        yield from at_least(self, 1, "batch_size", "batch_tokens", "valid_batch_size", "bucket")
        if self.rare_as_unknown is not None and not self.rare_as_unknown > 0:
            yield "rare_as_unknown", f"is {self.rare_as_unknown}, but must be above 0, or null to read all words."
        yield from at_least(self, 1, "prepare_workers", null="for one per core")
