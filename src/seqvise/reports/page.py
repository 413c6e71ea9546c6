"""A report as a page: HTML with embedded figures, or Markdown that links them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from seqvise.plain_text import markdown_text
from seqvise.reports.grid import TextTable, as_markdown, importance_grid, jobs_grid, troubles_grid
from seqvise.reports.importance import Importance
from seqvise.reports.report import SweepReport
from seqvise.reports.tables import headline, remarks
from seqvise.reports.title import description, title

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
.scroll { margin: .8rem 0; overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid #8886; font-weight: 600; } tr:first-child td { padding-top: .4rem; }
.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
p { color: #767676; margin: .4rem 0; overflow-wrap: anywhere; }
img { background: white; display: block; height: auto; max-width: 100%; }
@media (max-width: 900px) { img { max-width: none; } td, th { white-space: nowrap; } }
""".strip()


def as_html(report: SweepReport, hyperparameters: Importance, figures: Sequence[tuple[str, bytes]]) -> str:
    """A self-contained HTML page. figures: title and SVG of each."""
    about = [f"{headline(report)}.", *description(report)]
    parts = [f"<h1>{escape(title(report))}</h1>", *(f"<p>{escape(line)}</p>" for line in about)]
    parts += [_html_table(jobs_grid(report))] if report.rows else []
    parts += [f"<p>{escape(note)}</p>" for note in remarks(report)]
    if report.troubles():
        parts += ["<h2>Jobs without a result</h2>", _html_table(troubles_grid(report))]
    for name, svg in figures:
        image = f'<img src="data:image/svg+xml;base64,{b64encode(svg).decode()}" alt="{escape(name)}">'
        parts.append(f"<h2>{escape(name)}</h2>\n{_scrolled(image)}")
    parts += ["<h2>Importance</h2>" if hyperparameters.parameters else "", f"<p>{escape(hyperparameters.verdict)}</p>"]
    parts += [_html_table(importance_grid(hyperparameters))] if hyperparameters.parameters else []
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title(report))}</title>\n"
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n{STYLE}\n</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def as_markdown_page(report: SweepReport, hyperparameters: Importance, figures: Sequence[tuple[str, str]]) -> str:
    """A Markdown page that links the figure files. figures: name and title of each."""
    table = [as_markdown(jobs_grid(report)).strip()] if report.rows else []
    about = [f"{headline(report)}.", *description(report)]
    parts = [f"# {markdown_text(title(report))}", *map(markdown_text, about), *table]
    parts += map(markdown_text, remarks(report))
    if report.troubles():
        parts += ["Jobs without a result:", as_markdown(troubles_grid(report)).strip()]
    parts += [f"![{markdown_text(caption)}]({name}.svg)" for name, caption in figures]
    parts.append(markdown_text(hyperparameters.verdict))
    parts += [as_markdown(importance_grid(hyperparameters)).strip()] if hyperparameters.parameters else []
    return "\n\n".join(parts) + "\n"


def _html_table(grid: TextTable) -> str:
    head = "".join(_cell("th", *cell) for cell in zip(grid.head, grid.numeric, strict=True))
    lines = ["".join(_cell("td", *cell) for cell in zip(line, grid.numeric, strict=True)) for line in grid.lines]
    rows = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return _scrolled(f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>")


def _scrolled(content: str) -> str:
    """Content that scrolls in a box of its own where it is wider than the screen."""
    return f'<div class="scroll" tabindex="0">{content}</div>'


def _cell(tag: str, content: str, numeric: bool) -> str:
    css_class = ' class="number"' if numeric else ""
    return f"<{tag}{css_class}>{escape(content)}</{tag}>"
