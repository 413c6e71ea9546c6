"""All that an evaluation finds, in plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.tokens.tokenizers import has_word
from seqvise.evaluation.corpus import Corpus
from seqvise.evaluation.systems import System
from seqvise.metrics.groups import LENGTHS, UNKNOWNS, group_by_range
from seqvise.metrics.perplexity import ReferenceLoss
from seqvise.metrics.significance import Comparison, Interval, compare, score_interval
from seqvise.metrics.statistics import Statistics, count
from seqvise.metrics.text import text_metrics, token_metric

Counts = Mapping[str, Statistics]
TOKEN_SCORES = {"own": "bleu_on_tokens", "moses": "bleu_on_moses_tokens"}


class Sampling(NamedTuple):
    """The draws of both significance tests and of all intervals."""

    samples: int
    seed: int


@dataclass(frozen=True)
class Score:
    """A score and the 95 % bootstrap interval of it."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class SystemReport:
    """One system.

    Attributes:
        name: a run directory or a file.
        scores: ``bleu``, ``chrf`` and ``ter`` of detokenised text, ``bleu_on_tokens`` and ``bleu_on_moses_tokens``.
        signatures: how each was computed.
        loss: nats a word of the references; None, as the next three, where there is no model.
        perplexity: ``exp(loss)``.
        words: of the references, ``<eos>`` included, in the run's own tokens.
        unknown_words: how many of them the vocabulary lacks.
        seconds: spent on translating; None where the translations were there.
    """

    name: str
    scores: dict[str, Score]
    signatures: dict[str, str]
    loss: float | None
    perplexity: float | None
    words: int | None
    unknown_words: int | None
    seconds: float | None


@dataclass(frozen=True)
class GroupReport:
    """The sentences whose source has a certain length, or number of unknown words.

    Attributes:
        label: the range.
        sentences: how many they are.
        run: ``bleu``, ``chrf`` and ``ter``.
        against: the same of the other system, empty where there is none.
    """

    label: str
    sentences: int
    run: dict[str, Score]
    against: dict[str, Score]


@dataclass(frozen=True)
class Difference:
    """A sentence that two systems translate differently. line: its number in the file, from 1."""

    line: int
    source: str
    reference: str
    run: str
    against: str
    run_chrf: float
    against_chrf: float


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation.

    Attributes:
        source, target: the files.
        sentences: their lines.
        empty_sources, empty_references: how many of these hold no word. They count in the scores of text, but not in
            the loss.
        lowercase: whether text was compared without case.
        beam: hypotheses that decoding kept.
        run: the system that is evaluated.
        against: the one that it is compared with, or None.
        significance: how ``bleu``, ``chrf`` and ``ter`` differ; empty without ``against``.
        sampling: the draws behind all intervals and p values.
        by_length: by words of the source.
        by_unknown: by words of the source that the run's vocabulary lacks.
        differences: where the two systems differ most by sentence chrF, the largest first.
    """

    source: str
    target: str
    sentences: int
    empty_sources: int
    empty_references: int
    lowercase: bool
    beam: int
    run: SystemReport
    against: SystemReport | None
    significance: dict[str, Comparison]
    sampling: Sampling
    by_length: list[GroupReport]
    by_unknown: list[GroupReport]
    differences: list[Difference]

    def as_json(self) -> dict[str, Any]:
        """Plain values; a number that JSON has no word for becomes None."""
        return {**_plain(asdict(self)), "sampling": self.sampling._asdict()}


def build_report(
    corpus: Corpus, systems: Sequence[System], lowercase: bool, beam: int, sampling: Sampling, shown: int
) -> EvaluationReport:
    """Scores one system, and how another differs from it.

    Args:
        corpus: the sentences.
        systems: the one that is evaluated, and the other if there is one.
        lowercase: compare text without case.
        beam: for the record.
        sampling: of all intervals and p values.
        shown: sentences kept where the two differ most.
    """
    counts = [_counts(system, corpus, lowercase) for system in systems]
    reports = [_system_report(*each, sampling) for each in zip(systems, counts, strict=True)]
    two = len(systems) == 2
    return EvaluationReport(
        source=corpus.source,
        target=corpus.target,
        sentences=len(corpus.sources),
        empty_sources=_empty(corpus.sources),
        empty_references=_empty(corpus.references),
        lowercase=lowercase,
        beam=beam,
        run=reports[0],
        against=reports[1] if two else None,
        significance=_significance(counts[0], counts[1], sampling) if two else {},
        sampling=sampling,
        by_length=_group_reports(counts, corpus.lengths, LENGTHS, sampling),
        by_unknown=_group_reports(counts, corpus.unknowns, UNKNOWNS, sampling),
        differences=_differences(corpus, systems, counts, shown) if two else [],
    )


def _empty(texts: Sequence[str]) -> int:
    return sum(not has_word(text) for text in texts)


def _significance(run: Counts, against: Counts, sampling: Sampling) -> dict[str, Comparison]:
    return {name: compare(run[name], against[name], *sampling) for name in run}


def _counts(system: System, corpus: Corpus, lowercase: bool) -> dict[str, Statistics]:
    metrics = text_metrics(lowercase)
    return {name: count(metric, system.texts, corpus.references) for name, metric in metrics.items()}


def _system_report(system: System, counts: Counts, sampling: Sampling) -> SystemReport:
    everything = dict(counts)
    signatures = {name: statistics.signature for name, statistics in counts.items()}
    for name, tokens in system.tokens.items():
        everything[TOKEN_SCORES[name]] = statistics = count(token_metric(), tokens.outputs, tokens.references)
        signatures[TOKEN_SCORES[name]] = f"{tokens.signature}; {statistics.signature}"
    scores = _scores(everything, sampling)
    return SystemReport(system.name, scores, signatures, *_of_loss(system.loss), system.seconds)


def _of_loss(found: ReferenceLoss | None) -> tuple[float | None, float | None, int | None, int | None]:
    return (None,) * 4 if found is None else (found.loss, found.perplexity, found.word_count, found.unknown)


def _scores(counts: Counts, sampling: Sampling) -> dict[str, Score]:
    return {name: Score(each.score(), score_interval(each, *sampling)) for name, each in counts.items()}


def _group_reports(
    counts: Sequence[Counts], values: NDArray[np.int64], starts: Sequence[int], sampling: Sampling
) -> list[GroupReport]:
    reports = []
    for label, members in group_by_range(values, starts):
        scores = [_scores({name: all_.subset(members) for name, all_ in each.items()}, sampling) for each in counts]
        reports.append(GroupReport(label, len(members), scores[0], scores[1] if len(scores) > 1 else {}))
    return reports


def _differences(corpus: Corpus, systems: Sequence[System], counts: Sequence[Counts], shown: int) -> list[Difference]:
    chrf = [each["chrf"].scores(each["chrf"].rows) for each in counts]
    order = np.argsort(-np.abs(chrf[0] - chrf[1]), kind="stable")[:shown]
    return [
        Difference(
            row + 1,
            corpus.sources[row],
            corpus.references[row],
            *(system.texts[row] for system in systems),
            *(float(scores[row]) for scores in chrf),
        )
        for row in order.tolist()
        if chrf[0][row] != chrf[1][row]
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
