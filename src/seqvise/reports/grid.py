"""A report as text cells, shared by all output formats."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqvise.plain_text import markdown_text, printable
from seqvise.reports.differences import text
from seqvise.reports.metrics import UNITS
from seqvise.reports.report import Result, Row, SweepReport

if TYPE_CHECKING:
    from seqvise.reports.importance import Importance, Share


@dataclass(frozen=True)
class TextTable:
    """A table of text. numeric: whether each column contains numbers."""

    head: list[str]
    lines: list[list[str]]
    numeric: list[bool]


def results_grid(report: SweepReport) -> TextTable:
    """Rank, parameters, metrics with their deviation, number of seeds, and job states unless all are finished."""
    parameters = list(report.differing.parameters)
    metrics = [f"{name} ({UNITS[name]})" if name in UNITS else name for name in report.metrics]
    all_finished = all(job.state() == "ok" for row in report.rows for job in row.jobs)
    head = ["", *parameters, *metrics, "n", *([] if all_finished else ["jobs"]), *(["ran on"] if report.marks else [])]
    lines = [_line(rank, row, all_finished, bool(report.marks)) for rank, row in enumerate(report.rows, 1)]
    numeric = [True, *[False] * len(parameters), *[True] * (len(metrics) + 1)]
    return TextTable(head, lines, numeric + [False] * (len(head) - len(numeric)))


def jobs_grid(report: SweepReport) -> TextTable:
    """The results with the first metric in front, and the folders of the jobs at the end."""
    grid, first = results_grid(report), 1 + len(report.differing.parameters)
    several = len({job.path.parent for job in report.jobs()}) > 1
    folders = [", ".join(job.name if several else job.path.name for job in row.jobs) for row in report.rows]
    order = [*range(len(grid.head))]
    order.insert(1, order.pop(first))
    lines = [[*(line[n] for n in order), folder] for line, folder in zip(grid.lines, folders, strict=True)]
    return TextTable([*(grid.head[n] for n in order), "folder"], lines, [*(grid.numeric[n] for n in order), False])


def troubles_grid(report: SweepReport) -> TextTable:
    """The jobs without a result, and why."""
    lines = [[job.name, label, job.state(), job.reason()] for job, label in report.troubles()]
    return TextTable(["job", "configuration", "state", "why"], lines, [False] * 4)


def importance_grid(result: Importance) -> TextTable:
    """Each hyperparameter's share of the variance by both measures, and the share of interactions."""
    lines = [[name, *map(_share, shares)] for name, shares in result.parameters.items()]
    lines.append(["several together", "", f"{result.together:.0%}"])
    return TextTable(["hyperparameter", "forest (impurity)", "fANOVA (alone)"], lines, [False, True, True])


def result_text(result: Result) -> str:
    """Mean and, for several values, the standard deviation with two digits; both with the same decimal places."""
    if not result.n:
        return ""
    if result.deviation is None:
        return number_text(result.mean)
    if not result.deviation:
        return f"{number_text(result.mean)} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(result.deviation)))
    return f"{result.mean:,.{decimals}f} ± {result.deviation:,.{decimals}f}"


def number_text(value: float) -> str:
    """A number with four significant digits, and all digits before the decimal point."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def as_csv(report: SweepReport) -> str:
    """CSV with one row per configuration, in full precision: ``<metric>`` (mean), ``<metric> sd``, ``<metric> n``."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = [column for name in report.metrics for column in (name, f"{name} sd", f"{name} n")]
    writer.writerow(["rank", *report.differing.parameters, *columns, "jobs", "states", "ran on"])
    for rank, row in enumerate(report.rows, 1):
        numbers = [cell for result in row.results for cell in _exact(result)]
        names = " ".join(job.name for job in row.jobs)
        environment = "; ".join(report.marks[mark] for mark in row.marks)
        values = [repr(value) if isinstance(value, float) else text(value) for value in row.values]
        writer.writerow([rank, *values, *numbers, names, row.states(), environment])
    return file.getvalue()


def as_tsv(grid: TextTable) -> str:
    """The grid as tab-separated values, uncut; tabs and line breaks in cells are escaped."""
    return "".join("\t".join(map(printable, line)) + "\n" for line in (grid.head, *grid.lines))


def as_markdown(grid: TextTable) -> str:
    """The grid as a Markdown table."""
    rule = ["---:" if numeric else "---" for numeric in grid.numeric]
    head, *lines = [[markdown_text(cell) for cell in line] for line in (grid.head, *grid.lines)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))


def _line(rank: int, row: Row, all_finished: bool, marked: bool) -> list[str]:
    states = [] if all_finished else [row.states()]
    marks = [", ".join(row.marks)] if marked else []
    rank_text = str(rank) if row.best.n else ""
    return [rank_text, *map(text, row.values), *map(result_text, row.results), str(row.best.n), *states, *marks]


def _share(share: Share) -> str:
    return f"{share.mean:.0%} ± {share.deviation:.0%}"


def _exact(result: Result) -> list[str]:
    mean = "" if not result.n else repr(result.mean)
    return [mean, "" if result.deviation is None else repr(result.deviation), str(result.n)]
