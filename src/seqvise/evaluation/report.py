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
    """The scores of one system."""

    name: str  # a run directory or a file
    # ``bleu``, ``chrf`` and ``ter`` of detokenised text, ``bleu_on_tokens`` and ``bleu_on_moses_tokens``
    scores: dict[str, Score]
    signatures: dict[str, str]  # the sacreBLEU signature of each score
    loss: float | None  # nats per word of the references; None without a model, as are the next three
    perplexity: float | None  # ``exp(loss)``
    # Number of words of the references in the run's tokens, including ``<eos>``.
    words: int | None
    unknown_words: int | None  # number of out-of-vocabulary words among them
    seconds: float | None  # decoding time; None if the translations were given


@dataclass(frozen=True)
class GroupReport:
    """Scores of the sentences in a range of source length or of unknown words."""

    label: str  # the range
    sentences: int  # number of sentences
    run: dict[str, Score]  # ``bleu``, ``chrf`` and ``ter``
    against: dict[str, Score]  # scores of the other system, empty without one


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
    """An evaluation."""

    # source, target: the files
    source: str
    target: str
    sentences: int  # number of lines of each file
    # empty_sources, empty_references: number of lines without a word. The text scores include them, the loss does not.
    empty_sources: int
    empty_references: int
    lowercase: bool  # whether text was compared without case
    beam: int  # beam size of decoding
    run: SystemReport  # the evaluated system
    against: SystemReport | None  # the system that it is compared with, or None
    significance: dict[str, Comparison]  # comparison of ``bleu``, ``chrf`` and ``ter``; empty without ``against``
    sampling: Sampling  # samples and seed of all intervals and p values
    by_length: list[GroupReport]  # scores by words of the source
    by_unknown: list[GroupReport]  # scores by out-of-vocabulary words of the source
    differences: list[Difference]  # sentences with the largest difference of sentence chrF, largest first

    def as_json(self) -> dict[str, Any]:
        """Plain values; non-finite numbers become None, as JSON does not support them."""
        return {**_json_value(asdict(self)), "sampling": self.sampling._asdict()}


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
    metrics = text_metrics(lowercase)
    counts = [
        {name: count(metric, system.texts, corpus.references) for name, metric in metrics.items()} for system in systems
    ]
    reports = [_system_report(*system, sampling) for system in zip(systems, counts, strict=True)]
    two = len(systems) == 2
    return EvaluationReport(
        source=corpus.source,
        target=corpus.target,
        sentences=len(corpus.sources),
        empty_sources=sum(not has_word(text) for text in corpus.sources),
        empty_references=sum(not has_word(text) for text in corpus.references),
        lowercase=lowercase,
        beam=beam,
        run=reports[0],
        against=reports[1] if two else None,
        significance={name: compare(counts[0][name], counts[1][name], *sampling) for name in metrics} if two else {},
        sampling=sampling,
        by_length=_group_reports(counts, corpus.lengths, LENGTHS, sampling),
        by_unknown=_group_reports(counts, corpus.unknowns, UNKNOWNS, sampling),
        differences=_differences(corpus, systems, counts, shown) if two else [],
    )


def _system_report(system: System, counts: Counts, sampling: Sampling) -> SystemReport:
    all_counts = dict(counts)
    signatures = {name: statistics.signature for name, statistics in counts.items()}
    for name, tokens in system.tokens.items():
        all_counts[TOKEN_SCORES[name]] = statistics = count(token_metric(), tokens.outputs, tokens.references)
        signatures[TOKEN_SCORES[name]] = f"{tokens.signature}; {statistics.signature}"
    scores = _scores(all_counts, sampling)
    loss = system.loss
    losses: tuple[Any, Any, Any, Any] = (
        (None,) * 4 if loss is None else (loss.loss, loss.perplexity, loss.word_count, loss.unknown)
    )
    return SystemReport(system.name, scores, signatures, *losses, system.seconds)


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


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
