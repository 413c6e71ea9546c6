"""Prints an evaluation report as tables for terminals of at least 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seqvise.evaluation.report import Difference, EvaluationReport, GroupReport, SystemReport
from seqvise.metrics.significance import Interval
from seqvise.metrics.text import TITLES

ROWS = {**TITLES, "bleu_on_tokens": "BLEU on tokens", "bleu_on_moses_tokens": "BLEU on Moses tokens"}


def show(report: EvaluationReport, console: Console) -> None:
    """Prints a report."""
    parts: list[RenderableType] = [_head(report), _scores(report)]
    if report.against is not None:
        parts.append(_significance(report))
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
    grid = _grid()
    grid.add_row("source", Text(report.source))
    grid.add_row("reference", Text(report.target))
    grid.add_row("sentences", f"{report.sentences:,}{empty_note}")
    for name, system in _systems(report).items():
        grid.add_row(name, Text(f"{system.name}{_speed(report, system)}"))
    case = "without case, because a tokenizer lower-cases" if report.lowercase else "with case"
    grid.add_row("text", f"compared {case}")
    return grid


def _speed(report: EvaluationReport, system: SystemReport) -> str:
    if system.seconds is None:
        return ""
    rate = report.sentences / max(system.seconds, 1e-9)
    return f" (beam {report.beam}, {system.seconds:.1f} s, {rate:,.0f} sentences/s)"


def _scores(report: EvaluationReport) -> RenderableType:
    systems = _systems(report)
    table = _table("Scores", "")
    for name in systems:
        table.add_column(name, justify="right")
        table.add_column("95 % interval", justify="right")
    for name, title in ROWS.items():
        if name in report.run.scores:
            scores = [system.scores[name] for system in systems.values()]
            table.add_row(
                title, *(cell for score in scores for cell in (f"{score.value:.2f}", _interval(score.interval)))
            )
    for title, values in _loss_rows(list(systems.values())).items():
        table.add_row(title, *(cell for value in values for cell in (value, "")))
    return table


def _loss_rows(systems: Sequence[SystemReport]) -> dict[str, list[str]]:
    if all(system.loss is None for system in systems):
        return {}
    return {
        "loss of the references": [_number(system.loss, ".4f") for system in systems],
        "perplexity": [_number(system.perplexity, ",.3f") for system in systems],
        "words of the references": [_number(system.words, ",d") for system in systems],
        "  out of vocabulary": [_number(system.unknown_words, ",d") for system in systems],
    }


def _significance(report: EvaluationReport) -> RenderableType:
    table = _table("Run minus against", "")
    for name in ("difference", "95 % interval", "p bootstrap", "p randomisation"):
        table.add_column(name, justify="right")
    for name, comparison in report.significance.items():
        probabilities = (f"{p:.4f}" for p in (comparison.bootstrap, comparison.randomisation))
        table.add_row(ROWS[name], f"{comparison.difference:+.2f}", _interval(comparison.interval, "+"), *probabilities)
    note = (
        f"{report.sampling.samples:,} samples, seed {report.sampling.seed}. p bootstrap is one-sided: how often the "
        "better system is not better on resampled sentences (Koehn 2004). p randomisation is two-sided: how often "
        "the difference is as large with randomly exchanged outputs (Riezler and Maxwell 2005). "
        "Lower TER is better."
    )
    return Group(table, Text(note, style="dim"))


def _groups(title: str, what: str, groups: Sequence[GroupReport], two: bool) -> RenderableType:
    table = _table(title, what)
    table.add_column("sentences", justify="right")
    for name in TITLES.values():
        table.add_column(name, justify="right")
        if two:
            table.add_column("against", justify="right", style="dim")
    for group in groups:
        cells = []
        for name in TITLES:
            cells.append(f"{group.run[name].value:.2f}")
            cells += [f"{group.against[name].value:.2f}"] if two else []
        table.add_row(group.label, f"{group.sentences:,}", *cells)
    return table


def _side_by_side(differences: Sequence[Difference]) -> list[RenderableType]:
    if not differences:
        return []
    return [Text("Largest differences of sentence chrF", style="bold"), *map(_sentence, differences)]


def _sentence(difference: Difference) -> RenderableType:
    grid = _grid()
    grid.add_row(f"line {difference.line}", "")
    grid.add_row("source", Text(difference.source))
    grid.add_row("reference", Text(difference.reference))
    grid.add_row(f"run {difference.run_chrf:.1f}", Text(difference.run))
    grid.add_row(f"against {difference.against_chrf:.1f}", Text(difference.against))
    return grid


def _signatures(report: EvaluationReport) -> RenderableType:
    """Each signature on separate lines, so that it can be copied."""
    lines: list[RenderableType] = [Text("Signatures", style="bold")]
    for name, signature in report.run.signatures.items():
        lines += [Text(ROWS[name], style="dim"), Padding(Text(signature), (0, 0, 0, 2))]
    return Group(*lines)


def _systems(report: EvaluationReport) -> dict[str, SystemReport]:
    return {"run": report.run} if report.against is None else {"run": report.run, "against": report.against}


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    return table


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    return grid


def _interval(interval: Interval, sign: str = "") -> str:
    return f"{interval.low:{sign}.2f} to {interval.high:{sign}.2f}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
