"""Evaluation of language models and classifiers: scores of documents, one per line, and comparisons of two systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, RenderableType
from rich.text import Text

from seqvise.corpus.tokens.tokenizers import has_word
from seqvise.errors import UserError
from seqvise.evaluation.report import Sampling, Score, json_value
from seqvise.evaluation.systems import BATCHES, with_progress
from seqvise.evaluation.tables import grid, interval, significance, table
from seqvise.inference.classifier import Classifier
from seqvise.inference.language_model import LanguageScorer
from seqvise.metrics.perplexity import perplexity
from seqvise.metrics.significance import Comparison, compare, score_interval
from seqvise.metrics.statistics import Floats, Statistics
from seqvise.models.interface import UNK
from seqvise.tasks.classification import f1_scores, macro_f1

TITLES = {
    "perplexity": "perplexity",
    "loss": "loss (nats)",
    "tokens": "tokens",
    "unknown_tokens": "  out of vocabulary",
    "accuracy": "accuracy, %",
    "f1": "macro F1",
}
NOTES = {"perplexity": "Lower perplexity is better.", "accuracy": ""}
CONTEXTS = {"line": "each line is read by itself", "file": "each line is read after all lines before it"}
MAX_LABELS = 12
"""Maximum number of labels whose confusion matrix is printed."""


class PerplexityStatistics(Statistics):
    """Perplexity: the rows are loss in nats and number of tokens."""

    def scores(self, sums: Floats) -> Floats:
        """The perplexity of each sum. sums: (M, 2)."""
        return np.array([perplexity(loss / tokens) for loss, tokens in sums])


class AccuracyStatistics(Statistics):
    """Accuracy in percent: the rows are 1 for a correct prediction, else 0; and 1."""

    def scores(self, sums: Floats) -> Floats:
        """The accuracy of each sum. sums: (M, 2)."""
        return np.asarray(100 * sums[:, 0] / sums[:, 1])


@dataclass(frozen=True, eq=False)
class DocumentSystem:
    """One system's results on N documents.

    Attributes:
        name: a run directory or a file.
        main: the name of the score that is compared.
        statistics: its counts for each document.
        values: other results by name.
        confusion: of a classifier: (L, L), rows are true labels, columns predicted labels.
    """

    name: str
    main: str
    statistics: Statistics
    values: dict[str, float]
    confusion: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class DocumentScores:
    """The scores of one system. See ``DocumentSystem``."""

    name: str
    scores: dict[str, Score]
    values: dict[str, float]
    confusion: list[list[int]] | None


@dataclass(frozen=True)
class DocumentReport:
    """An evaluation on documents.

    Attributes:
        files: the names of the files, by key.
        documents: number of documents.
        empty: number of lines without a word, which are skipped.
        run: the evaluated system.
        against: the system that it is compared with, or None.
        significance: comparison of the main score; empty without ``against``.
        sampling: samples and seed of all intervals and p values.
        labels: of a classifier.
        context: of a language model: ``line`` or ``file``.
    """

    files: dict[str, str]
    documents: int
    empty: int
    run: DocumentScores
    against: DocumentScores | None
    significance: dict[str, Comparison]
    sampling: Sampling
    labels: Sequence[str] = ()
    context: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values; non-finite numbers become None, as JSON does not support them."""
        return {**json_value(asdict(self)), "sampling": self.sampling._asdict()}


def build_document_report(
    files: Mapping[str, str], texts: Sequence[str], systems: Sequence[DocumentSystem], sampling: Sampling,
    labels: Sequence[str] = (), context: str | None = None,
) -> DocumentReport:  # fmt: skip
    """Scores one system, and compares it with another. systems: one or two."""
    reports = [_scores(system, sampling) for system in systems]
    documents, two = len(documents_of(texts)), len(systems) == 2
    comparisons = {systems[0].main: compare(systems[0].statistics, systems[1].statistics, *sampling)} if two else {}
    against = reports[1] if two else None
    empty = len(texts) - documents
    return DocumentReport(dict(files), documents, empty, reports[0], against, comparisons, sampling, labels, context)


def _scores(system: DocumentSystem, sampling: Sampling) -> DocumentScores:
    score = Score(system.statistics.score(), score_interval(system.statistics, *sampling))
    confusion = None if system.confusion is None else system.confusion.tolist()
    return DocumentScores(system.name, {system.main: score}, system.values, confusion)


def documents_of(texts: Sequence[str]) -> list[int]:
    """The indices of the lines with a word.

    Raises:
        UserError: there is none.
    """
    rows = [row for row, text in enumerate(texts) if has_word(text)]
    if not rows:
        raise UserError("source has no line with a word: there is nothing to evaluate.")
    return rows


def language_model_system(scorer: LanguageScorer, name: str, texts: Sequence[str], whole_file: bool) -> DocumentSystem:
    """The perplexity of documents.

    Args:
        scorer: the language model.
        name: the run directory.
        texts: the lines; those without a word are skipped.
        whole_file: read each document after those before it, as in training, instead of by itself.
    """
    ids = scorer.encode([texts[row] for row in documents_of(texts)])
    if whole_file:
        log_probs = scorer.log_probs_of_stream(ids)
    else:
        parts = with_progress(f"reading: {name}", ids, BATCHES * scorer.batch_size)
        log_probs = [document for part in parts for document in scorer.log_probs(part)]
    rows = np.array([(-document.sum(), len(document)) for document in log_probs])
    loss, tokens = rows.sum(0).tolist()
    unknown = sum(int((document == UNK).sum()) for document in ids)
    values = {"loss": loss / tokens, "tokens": int(tokens), "unknown_tokens": unknown}
    return DocumentSystem(name, "perplexity", PerplexityStatistics(None, rows), values)


def line_scores(system: DocumentSystem, texts: Sequence[str]) -> str:
    """The score of each line; nothing for a line without a word."""
    scores = dict(zip(documents_of(texts), system.statistics.scores(system.statistics.rows).tolist(), strict=True))
    return "".join(f"{scores[row]:.6g}\n" if row in scores else "\n" for row in range(len(texts)))


def check_comparable(run: LanguageScorer, against: LanguageScorer, names: Sequence[str]) -> None:
    """Checks that two language models predict the same tokens.

    Raises:
        UserError: their vocabularies or tokenizers differ.
    """
    if run.codec.vocabulary.words != against.codec.vocabulary.words or run.codec.options != against.codec.options:
        raise UserError(
            f"run={names[0]} and against={names[1]} have different vocabularies or tokenizers, so their perplexities "
            "cannot be compared: choose a run trained on the same corpus with the same tokenizer."
        )


def classifier_system(classifier: Classifier, name: str, texts: Sequence[str], truth: Sequence[int]) -> DocumentSystem:
    """The predictions of a classifier. truth: the index of the label of each document."""
    documents = [texts[row] for row in documents_of(texts)]
    parts = with_progress(f"classifying: {name}", documents, BATCHES * classifier.batch)
    probabilities = np.array([result.probabilities for part in parts for result in classifier.classify(part)])
    system = label_system(name, probabilities.argmax(1).tolist(), truth, len(classifier.labels))
    with np.errstate(divide="ignore"):
        losses = -np.log(probabilities[np.arange(len(truth)), truth])
    system.values["loss"] = float(losses.mean())
    return system


def label_system(name: str, predictions: Sequence[int], truth: Sequence[int], label_count: int) -> DocumentSystem:
    """Predicted labels, as indices, compared with the true ones."""
    confusion = np.zeros((label_count, label_count), np.int64)
    np.add.at(confusion, (truth, predictions), 1)
    rows = np.array([(float(a == b), 1.0) for a, b in zip(predictions, truth, strict=True)])
    return DocumentSystem(name, "accuracy", AccuracyStatistics(None, rows), {"f1": macro_f1(confusion)}, confusion)


def label_indices(key: str, lines: Sequence[str], texts: Sequence[str], labels: Sequence[str]) -> list[int]:
    """The indices of the labels in a file, of lines whose text has a word.

    Args:
        key: the command's key and the file, for messages.
        lines: one label per line.
        texts: the documents.
        labels: the label names of the run.

    Raises:
        UserError: labels that the run does not have; the first of them are listed.
    """
    rows = documents_of(texts)
    unknown = [row for row in rows if lines[row].strip() not in labels]
    if unknown:
        shown = ", ".join(f"line {row + 1} has '{lines[row].strip()}'" for row in unknown[:3])
        raise UserError(
            f"{key}: {len(unknown):,} lines have no label of the run, e.g. {shown}, but it must be one of "
            f"{', '.join(labels[:MAX_LABELS])}."
        )
    return [labels.index(lines[row].strip()) for row in rows]


def show_documents(report: DocumentReport, console: Console) -> None:
    """Prints a report as tables."""
    parts: list[RenderableType] = [_head(report), _table(report)]
    for name, comparison in report.significance.items():
        parts.append(significance({name: comparison}, report.sampling, TITLES, NOTES[name]))
    if report.run.confusion is not None and len(report.labels) <= MAX_LABELS:
        parts.append(_confusion(report.labels, report.run.confusion))
    for part in parts:
        console.print(part)
        console.print()


def _head(report: DocumentReport) -> RenderableType:
    rows = grid()
    for key, file in report.files.items():
        rows.add_row(key, Text(file))
    empty = f", {report.empty:,} empty line{'s'[: report.empty != 1]} skipped" if report.empty else ""
    rows.add_row("documents", f"{report.documents:,}{empty}")
    for name, system in _systems(report).items():
        rows.add_row(name, Text(system.name))
    if report.context is not None:
        rows.add_row("context", CONTEXTS[report.context])
    return rows


def _table(report: DocumentReport) -> RenderableType:
    systems, rows = _systems(report), table("Scores", "")
    for name in systems:
        rows.add_column(name, justify="right")
        rows.add_column("95 % interval", justify="right")
    for name in report.run.scores:
        scores = [system.scores[name] for system in systems.values()]
        rows.add_row(
            TITLES[name], *(cell for score in scores for cell in (_number(score.value), interval(score.interval)))
        )
    for name in report.run.values:
        values = [system.values.get(name) for system in systems.values()]
        rows.add_row(TITLES[name], *(cell for value in values for cell in (_number(value), "")))
    return rows


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,d}" if isinstance(value, int) else f"{value:,.4f}" if value < 10 else f"{value:,.2f}"


def _confusion(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> RenderableType:
    rows = table("Confusion matrix of the run", "true label")
    for label in labels:
        rows.add_column(Text(label), justify="right")
    rows.add_column("F1", justify="right", style="dim")
    for label, counts, f1 in zip(labels, confusion, f1_scores(np.array(confusion)), strict=True):
        rows.add_row(Text(label), *(f"{count:,}" for count in counts), f"{f1:.4f}")
    return rows


def _systems(report: DocumentReport) -> dict[str, DocumentScores]:
    return {"run": report.run} if report.against is None else {"run": report.run, "against": report.against}
