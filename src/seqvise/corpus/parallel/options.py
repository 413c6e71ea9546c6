"""What a person chooses about a parallel corpus and its tokens. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seqvise.corpus.options import ENCODING_ERRORS, LIMIT_CHOICES, ON_BAD, RANDOM, REFUSE
from seqvise.corpus.parallel.scripts import SCRIPTS

SOURCE_FORMATS = ("phrasebook", "tabbed", "paired", "csv", "parquet")
STANDARD_INPUT = "-"
MOST_COPIES = 1000
QUESTION_PATTERNS = {"en": r"^(Wh[^?.!]+\?)", "fr": r"^([^?.!]+\?)"}
"""The questions of the lesson, for where ``question_patterns`` is empty."""


@dataclass
class SideLimits:
    """A number for each side; null is no limit."""

    source: int | None = None
    target: int | None = None


@dataclass
class SideScripts:
    """Names of scripts for each side; null takes every one."""

    source: list[str] | None = None
    target: list[str] | None = None


@dataclass
class DataOptions:
    """A parallel corpus: where it lies, what is kept of it, how it becomes batches."""

    kind: str = "parallel"
    name: str = "files"
    format: str = "paired"
    root: str | None = None
    train: Any = None  # a name, or a list of names
    valid: Any = None
    test: Any = None
    weights: list[float] | None = None  # of the names of `train`: how often each pair is taken
    download: bool = False  # files that are not there are fetched, where `name` has a known address
    source: str = "fr"
    target: str = "en"
    source_language: str | None = None  # null: the same as `source`
    target_language: str | None = None
    reverse_target: bool = False  # the model says the target from its last word to its first
    columns: list[str] = field(default_factory=lambda: ["en", "fr"])  # tabbed: language of each column
    on_bad: str = REFUSE  # tabbed, csv: a row of another number of fields
    encoding_errors: str = "refuse"
    max_characters: int | None = 10_000  # a side; null: no limit, and a line of any length is held in memory
    questions_only: bool = False
    question_patterns: dict[str, str] = field(default_factory=dict)  # language -> expression; {}: the lesson's
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
    batch_size: int | None = 64  # sentences a process and step; null where batch_tokens is set
    batch_tokens: int | None = None  # instead: source + target tokens a process and step, at most
    count_padding: bool = True  # of batch_tokens; false: real tokens, on average
    valid_batch_size: int = 128
    bucket: int = 1  # source lengths are padded up to a multiple of this
    rare_as_unknown: float | None = None  # training reads a source word seen n times as <unk> by a / (a + n)
    workers: int = 0
    prepare_workers: int | None = None  # processes that split text into words; null: one a core

    def __post_init__(self) -> None:
        if self.batch_tokens is not None:
            self.batch_size = None

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if not self.name or "/" in self.name or self.name.startswith("."):
            yield f"{key}.name is '{self.name}', but it names a folder of the cache: give one plain word."
        if self.format not in SOURCE_FORMATS:
            yield f"{key}.format is '{self.format}', but must be one of {', '.join(SOURCE_FORMATS)}."
        yield from self._problems_of_files(key)
        yield from self._problems_of_text(key)
        yield from self._problems_of_sides(key)
        yield from self._problems_of_questions(key)
        yield from self._problems_of_selection(key)
        yield from self._problems_of_batches(key)

    def languages(self) -> tuple[str, str]:
        """Codes of the source and the target language."""
        return self.source_language or self.source, self.target_language or self.target

    def names(self, part: str) -> list[str]:
        """What the options name as ``train``, ``valid`` or ``test``."""
        value = getattr(self, part)
        return [] if value is None else [str(name) for name in value] if isinstance(value, list) else [str(value)]

    def _problems_of_files(self, key: str) -> Iterator[str]:
        if self.format not in SOURCE_FORMATS[1:]:
            return
        if not self.root and self.names("train") != [STANDARD_INPUT]:
            yield f"{key}.root is not set: give the folder that holds the corpus."
        if not self.train:
            wanted = "file name without the language ending" if self.format == "paired" else "file name"
            yield f"{key}.train is not set: give the {wanted} of the training part."
        for part in ("train", "valid", "test"):
            yield from self._problems_of_names(key, part)
        if self.weights is not None:
            yield from self._problems_of_weights(key, self.weights)

    def _problems_of_names(self, key: str, part: str) -> Iterator[str]:
        value, names = getattr(self, part), self.names(part)
        if isinstance(value, dict) or any(isinstance(name, dict | list) or not name for name in names):
            yield f"{key}.{part} is {value}, but must be a name, or a list of names such as [europarl,news]."
        elif STANDARD_INPUT in names and (part != "train" or len(names) > 1 or self.format not in ("tabbed", "csv")):
            yield (
                f"{key}.{part} has '-', standard input, but that can only be all of {key}.train, with "
                f"{key}.format=tabbed or csv."
            )

    def _problems_of_weights(self, key: str, weights: list[float]) -> Iterator[str]:
        names = self.names("train")
        if len(weights) != len(names):
            yield f"{key}.weights has {len(weights)} numbers, but {key}.train {len(names)} names: give one for each."
        if not all(0 < weight <= MOST_COPIES for weight in weights):
            yield f"{key}.weights is {weights}, but each must be above 0 and at most {MOST_COPIES}."

    def _problems_of_text(self, key: str) -> Iterator[str]:
        if self.encoding_errors not in ENCODING_ERRORS:
            wanted = " or ".join(ENCODING_ERRORS)
            yield f"{key}.encoding_errors is '{self.encoding_errors}', but must be {wanted}."
        if self.on_bad not in ON_BAD:
            yield f"{key}.on_bad is '{self.on_bad}', but must be one of {', '.join(ON_BAD)}."
        if self.max_characters is not None and self.max_characters < 1:
            yield f"{key}.max_characters is {self.max_characters}, but must be at least 1, or null for no limit."
        if self.max_ratio is not None and not self.max_ratio >= 1:
            yield f"{key}.max_ratio is {self.max_ratio}, but must be at least 1, or null for no limit."
        for side in ("source", "target"):
            scripts = getattr(self.scripts, side)
            if scripts == []:
                yield f"{key}.scripts.{side} is an empty list: name a script, or set it to null for all of them."
            for script in scripts or ():
                if script not in SCRIPTS:
                    yield f"{key}.scripts.{side} has '{script}', but knows only {', '.join(SCRIPTS)}."

    def _problems_of_sides(self, key: str) -> Iterator[str]:
        if self.source == self.target:
            yield (
                f"{key}.source and {key}.target are both '{self.source}', but they tell the two sides apart: give two "
                f"names, and {key}.source_language and {key}.target_language if the language is one."
            )
        if self.format == "phrasebook" and {self.source, self.target} - {"fr", "en"}:
            yield f"{key}.source={self.source} and {key}.target={self.target}, but the phrasebook knows fr and en only."
        if self.format != "tabbed":
            return
        for name, value in (("source", self.source), ("target", self.target)):
            if self.columns.count(value) != 1:
                yield f"{key}.{name} is '{value}', but must be named once in {key}.columns={self.columns}."

    def _problems_of_questions(self, key: str) -> Iterator[str]:
        for language, pattern in self.question_patterns.items():
            try:
                re.compile(pattern)
            except re.error as error:
                yield f"{key}.question_patterns.{language} is not a regular expression ({error}): {pattern}"
        known = self.question_patterns or QUESTION_PATTERNS
        if self.questions_only:
            for language in sorted(set(self.languages()) - set(known)):
                yield (
                    f"{key}.questions_only is true, but there is no pattern for '{language}': "
                    f"set {key}.question_patterns.{language}."
                )

    def _problems_of_selection(self, key: str) -> Iterator[str]:
        for name, value in (
            ("limit", self.limit),
            ("max_tokens.source", self.max_tokens.source),
            ("max_tokens.target", self.max_tokens.target),
        ):
            if value is not None and value < 1:
                yield f"{key}.{name} is {value}, but must be at least 1, or null for no limit."
        if self.limit_choice not in LIMIT_CHOICES:
            yield f"{key}.limit_choice is '{self.limit_choice}', but must be one of {', '.join(LIMIT_CHOICES)}."
        yield from self._problems_of_percentiles(f"{key}.cut_percentile")
        most = 0.5 if self.format == "phrasebook" else 1
        if not 0 < self.valid_fraction < most:
            yield f"{key}.valid_fraction is {self.valid_fraction}, but must be above 0 and below {most}."
        if not 0 <= self.seed < 2**63:
            yield f"{key}.seed is {self.seed}, but must be at least 0 and below 2**63."

    def _problems_of_percentiles(self, key: str) -> Iterator[str]:
        value = self.cut_percentile
        sides = value if isinstance(value, dict) else {"source": value, "target": value}
        unknown = sorted(sides.keys() - {"source", "target"})
        numbers = [number for number in sides.values() if number is not None]
        if unknown or not all(_is_percentile(number) for number in numbers):
            yield (
                f"{key} is {value}, but must be above 0 and at most 100, null, or a number for each side, as in "
                "{source: 97, target: 99}."
            )

    def percentiles(self) -> dict[str, float | None]:
        """``cut_percentile`` of each side, ``source`` and ``target``."""
        value = self.cut_percentile
        sides = value if isinstance(value, dict) else {"source": value, "target": value}
        return {side: _float(sides.get(side)) for side in ("source", "target")}

    def _problems_of_batches(self, key: str) -> Iterator[str]:
        if self.batch_size is None and self.batch_tokens is None:
            yield f"{key}.batch_size and {key}.batch_tokens are null: set one of them to a number."
        for name in ("batch_size", "batch_tokens", "valid_batch_size", "bucket"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{key}.{name} is {value}, but must be at least 1."
        if self.rare_as_unknown is not None and not self.rare_as_unknown > 0:
            yield f"{key}.rare_as_unknown is {self.rare_as_unknown}, but must be above 0, or null to read all words."
        if self.workers < 0:
            yield f"{key}.workers is {self.workers}, but must be 0 (load in the training process) or more."
        if self.prepare_workers is not None and self.prepare_workers < 1:
            yield f"{key}.prepare_workers is {self.prepare_workers}, but must be at least 1, or null for one a core."


def _is_percentile(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 100


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
