"""Prints an evaluation report as tables for terminals of at least 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seqvise.evaluation.report import Difference, EvaluationReport, GroupReport, Sampling, Score, SystemReport
from seqvise.metrics.significance import Comparison, Interval
from seqvise.metrics.text import TITLES

ROWS = {**TITLES, "bleu_on_tokens": "BLEU on tokens", "bleu_on_moses_tokens": "BLEU on Moses tokens"}


def show(report: EvaluationReport, console: Console) -> None:
    """Prints a report."""
    parts: list[RenderableType] = [_head(report), _scores(report)]
    if report.against is not None:
        parts.append(significance(report.significance, report.sampling, ROWS, "Lower TER is better."))
    parts += [
        _groups("By words of the source", "words", report.by_length, report.against is not None),
        _groups("By unknown words of the source", "unknown", report.by_unknown, report.against is not None),
    ]
    parts += _side_by_side(report.differences)
    parts.append(_signatures(report))
    for part in parts:
        console.print(part)
        console.print()


def _head(report: EvaluationReport) -> RenderableType:
    empty = {"source": report.empty_sources, "reference": report.empty_references}
    empty_note = "".join(f", {count:,} empty {side}{'s'[: count != 1]}" for side, count in empty.items() if count)
    rows = grid()
    rows.add_row("source", Text(report.source))
    rows.add_row("reference", Text(report.target))
    rows.add_row("sentences", f"{report.sentences:,}{empty_note}")
    for name, system in _systems(report).items():
        rows.add_row(name, Text(f"{system.name}{_speed(report, system)}"))
    case = "without case, because a tokenizer lower-cases" if report.lowercase else "with case"
    rows.add_row("text", f"compared {case}")
    return rows


def _speed(report: EvaluationReport, system: SystemReport) -> str:
    if system.seconds is None:
        return ""
    rate = report.sentences / max(system.seconds, 1e-9)
    return f" (beam {system.beam}, {system.seconds:.1f} s, {rate:,.0f} sentences/s)"


def _scores(report: EvaluationReport) -> RenderableType:
    systems = _systems(report)
    rows = table("Scores", "")
    for name in systems:
        rows.add_column(name, justify="right")
        rows.add_column("95 % interval", justify="right")
    for name, title in ROWS.items():
        if name in report.run.scores:
            cells = [cell for system in systems.values() for cell in _score_cells(system.scores[name])]
            rows.add_row(title, *cells)
    for title, values in _loss_rows(list(systems.values())).items():
        rows.add_row(title, *(cell for value in values for cell in (value, "")))
    return rows


def _loss_rows(systems: Sequence[SystemReport]) -> dict[str, list[str]]:
    if all(system.loss is None for system in systems):
        return {}
    return {
        "loss of the references": [_number(system.loss, ".4f") for system in systems],
        "perplexity": [_number(system.perplexity, ",.3f") for system in systems],
        "words of the references": [_number(system.words, ",d") for system in systems],
        "  out of vocabulary": [_number(system.unknown_words, ",d") for system in systems],
    }


def _score_cells(score: Score) -> tuple[str, str]:
    return f"{score.value:.2f}", interval(score.interval)


def significance(
    comparisons: Mapping[str, Comparison], sampling: Sampling, titles: Mapping[str, str], note: str = ""
) -> RenderableType:
    """The differences of two systems, with their intervals and p values.

    Args:
        comparisons: metric -> comparison.
        sampling: samples and seed.
        titles: metric -> name.
        note: a sentence below the table.
    """
    rows = table("Run minus against", "")
    for name in ("difference", "95 % interval", "p bootstrap", "p randomisation"):
        rows.add_column(name, justify="right")
    for name, comparison in comparisons.items():
        probabilities = (_probability(p) for p in (comparison.bootstrap, comparison.randomisation))
        rows.add_row(titles[name], f"{comparison.difference:+.2f}", interval(comparison.interval, "+"), *probabilities)
    explanation = (
        f"{sampling.samples:,} samples, seed {sampling.seed}. p bootstrap is one-sided: how often the "
        "better system is not better on resampled sentences (Koehn 2004). p randomisation is two-sided: how often "
        f"the difference is as large with randomly exchanged outputs (Riezler and Maxwell 2005). {note}"
    )
    return Group(rows, Text(explanation.rstrip(), style="dim"))


def _groups(title: str, what: str, groups: Sequence[GroupReport], two: bool) -> RenderableType:
    rows = table(title, what)
    rows.add_column("sentences", justify="right")
    for name in TITLES.values():
        rows.add_column(name, justify="right")
        if two:
            rows.add_column("against", justify="right", style="dim")
    for group in groups:
        cells = []
        for name in TITLES:
            cells.append(f"{group.run[name].value:.2f}")
            cells += [f"{group.against[name].value:.2f}"] if two else []
        rows.add_row(group.label, f"{group.sentences:,}", *cells)
    return rows


def _side_by_side(differences: Sequence[Difference]) -> list[RenderableType]:
    if not differences:
        return []
    return [Text("Largest differences of sentence chrF", style="bold"), *map(_sentence, differences)]


def _sentence(difference: Difference) -> RenderableType:
    rows = grid()
    rows.add_row(f"line {difference.line}", "")
    rows.add_row("source", Text(difference.source))
    rows.add_row("reference", Text(difference.reference))
    rows.add_row(f"run {difference.run_chrf:.1f}", Text(difference.run))
    rows.add_row(f"against {difference.against_chrf:.1f}", Text(difference.against))
    return rows


def _signatures(report: EvaluationReport) -> RenderableType:
    """Each signature on separate lines, so that it can be copied."""
    lines: list[RenderableType] = [Text("Signatures", style="bold")]
    for name, signature in report.run.signatures.items():
        lines += [Text(ROWS[name], style="dim"), Padding(Text(signature), (0, 0, 0, 2))]
    return Group(*lines)


def _systems(report: EvaluationReport) -> dict[str, SystemReport]:
    return {"run": report.run} if report.against is None else {"run": report.run, "against": report.against}


def table(title: str, first: str) -> Table:
    """A table without lines. first: the heading of the first column."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    return table


def grid() -> Table:
    """Names and values, one pair per row."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    return grid


def interval(bounds: Interval, sign: str = "") -> str:
    """The bounds of an interval. sign: ``+`` to show the sign of positive numbers, too."""
    return f"{bounds.low:{sign}.2f} to {bounds.high:{sign}.2f}"


def _probability(value: float) -> str:
    return f"{value:.4f}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
