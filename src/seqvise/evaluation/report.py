"""The report of an evaluation, in plain values."""

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
    """Number of samples and random seed of both significance tests and all intervals."""

    samples: int
    seed: int


@dataclass(frozen=True)
class Score:
    """A score and its 95 % bootstrap interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class SystemReport:
    """The scores of one system.

    Attributes:
        name: a run directory or a file.
        scores: ``bleu``, ``chrf`` and ``ter`` of detokenised text, ``bleu_on_tokens`` and ``bleu_on_moses_tokens``.
        signatures: the sacreBLEU signature of each score.
        loss: nats per word of the references; None without a model, as are the next three.
        perplexity: ``exp(loss)``.
        words: number of words of the references in the run's tokens, including ``<eos>``.
        unknown_words: number of out-of-vocabulary words among them.
        seconds: decoding time; None if the translations were given.
        beam: beam size of decoding; None if the translations were given.
    """

    name: str
    scores: dict[str, Score]
    signatures: dict[str, str]
    loss: float | None
    perplexity: float | None
    words: int | None
    unknown_words: int | None
    seconds: float | None
    beam: int | None


@dataclass(frozen=True)
class GroupReport:
    """Scores of the sentences in a range of source length or of unknown words.

    Attributes:
        label: the range.
        sentences: number of sentences.
        run: ``bleu``, ``chrf`` and ``ter``.
        against: scores of the other system, empty without one.
    """

    label: str
    sentences: int
    run: dict[str, Score]
    against: dict[str, Score]


@dataclass(frozen=True)
class Difference:
    """A sentence with different translations of two systems. line: line number in the file, from 1."""

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
        sentences: number of lines of each file.
        empty_sources, empty_references: number of lines without a word. The text scores include them, the loss does
            not.
        lowercase: whether text was compared without case.
        beam: beam size of the run's decoding.
        run: the evaluated system.
        against: the system that it is compared with, or None.
        significance: comparison of ``bleu``, ``chrf`` and ``ter``; empty without ``against``.
        sampling: samples and seed of all intervals and p values.
        by_length: scores by words of the source.
        by_unknown: scores by out-of-vocabulary words of the source.
        differences: sentences with the largest difference of sentence chrF, largest first.
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
        """Plain values; non-finite numbers become None, as JSON does not support them."""
        return {**json_value(asdict(self)), "sampling": self.sampling._asdict()}


def build_report(
    corpus: Corpus, systems: Sequence[System], lowercase: bool, beam: int, sampling: Sampling, shown: int
) -> EvaluationReport:
    """Scores one system, and compares it with another.

    Args:
        corpus: the sentences.
        systems: the evaluated system, and optionally the one that it is compared with.
        lowercase: compare text without case.
        beam: beam size, stored in the report.
        sampling: samples and seed of all intervals and p values.
        shown: maximum number of sentences in ``differences``.
    """
    counts = [_counts(system, corpus, lowercase) for system in systems]
    reports = [
        _system_report(system, system_counts, sampling) for system, system_counts in zip(systems, counts, strict=True)
    ]
    two = len(systems) == 2
    return EvaluationReport(
        source=corpus.source,
        target=corpus.target,
        sentences=len(corpus.sources),
        empty_sources=_count_empty(corpus.sources),
        empty_references=_count_empty(corpus.references),
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


def _count_empty(texts: Sequence[str]) -> int:
    return sum(not has_word(text) for text in texts)


def _significance(run: Counts, against: Counts, sampling: Sampling) -> dict[str, Comparison]:
    return {name: compare(run[name], against[name], *sampling) for name in run}


def _counts(system: System, corpus: Corpus, lowercase: bool) -> dict[str, Statistics]:
    metrics = text_metrics(lowercase)
    return {name: count(metric, system.texts, corpus.references) for name, metric in metrics.items()}


def _system_report(system: System, counts: Counts, sampling: Sampling) -> SystemReport:
    all_counts = dict(counts)
    signatures = {name: statistics.signature for name, statistics in counts.items()}
    for name, tokens in system.tokens.items():
        all_counts[TOKEN_SCORES[name]] = statistics = count(token_metric(), tokens.outputs, tokens.references)
        signatures[TOKEN_SCORES[name]] = f"{tokens.signature}; {statistics.signature}"
    scores = _scores(all_counts, sampling)
    return SystemReport(system.name, scores, signatures, *_loss_fields(system.loss), system.seconds, system.beam)


def _loss_fields(loss: ReferenceLoss | None) -> tuple[float | None, float | None, int | None, int | None]:
    return (None,) * 4 if loss is None else (loss.loss, loss.perplexity, loss.word_count, loss.unknown)


def _scores(counts: Counts, sampling: Sampling) -> dict[str, Score]:
    return {
        name: Score(statistics.score(), score_interval(statistics, *sampling)) for name, statistics in counts.items()
    }


def _group_reports(
    counts: Sequence[Counts], values: NDArray[np.int64], starts: Sequence[int], sampling: Sampling
) -> list[GroupReport]:
    reports = []
    for label, members in group_by_range(values, starts):
        scores = [
            _scores({name: statistics.subset(members) for name, statistics in system_counts.items()}, sampling)
            for system_counts in counts
        ]
        reports.append(GroupReport(label, len(members), scores[0], scores[1] if len(scores) > 1 else {}))
    return reports


def _differences(corpus: Corpus, systems: Sequence[System], counts: Sequence[Counts], shown: int) -> list[Difference]:
    chrf = [system_counts["chrf"].scores(system_counts["chrf"].rows) for system_counts in counts]
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


def json_value(value: Any) -> Any:
    """The value for JSON: tuples become lists, and numbers that are not finite become None."""
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
