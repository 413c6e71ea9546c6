"""Results of a search, and mislabelled images, as terminal tables and self-contained HTML pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from math import degrees
from pathlib import Path
from string import Template

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqvise.outputs import write_output
from seqvise.plain_text import printable
from seqvise.retrieval.image_index import ImageIndex
from seqvise.retrieval.mislabelled import Suspect, SuspectReport
from seqvise.retrieval.render.thumbnails import inlined
from seqvise.retrieval.results import Answer, Hit


def show(answers: Sequence[Answer], console: Console) -> None:
    """Prints one table per query."""
    for number, answer in enumerate(answers):
        if number:
            console.print()
        console.print(Text(printable(answer.query.text), style="bold"))
        for note in answer.query.notes:
            console.print(Text(printable(note), style="dim"))
        console.print(_terminal_table(answer))


def _terminal_table(answer: Answer) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    titled, marked = any(hit.title for hit in answer.hits), any(hit.held_out for hit in answer.hits)
    table.add_column("", justify="right")
    for head in answer.scores:
        table.add_column(head, justify="right")
    for head in ("title", "name") if titled else ("name",):
        table.add_column(head, overflow="fold")
    if marked:
        table.add_column("")
    for rank, hit in enumerate(answer.hits, 1):
        names = (hit.title, hit.name) if titled else (hit.name,)
        values = [f"{getattr(hit, head):.3f}" for head in answer.scores]
        table.add_row(str(rank), *values, *(Text(printable(name)) for name in names), *([hit.mark] if marked else []))
    return table


SIZE = 200
"""Pixels of an image's longer side."""
MAX_SUSPECTS = 200
"""Maximum number of suspects on a page."""


HELD_OUT = '<span class="mark">held out</span>'


def write_page(answers: Sequence[Answer], path: Path, about: str, results: str = "images") -> None:
    """Writes the results of a search as a self-contained HTML file.

    Args:
        answers: images are shown as thumbnails, words as a table.
        about: a sentence about the run and the index.
        results: what the search returns, for the heading.
    """
    parts = [_head(f"Search: {results}", about)]
    if any(hit.held_out for answer in answers for hit in answer.hits):
        parts.append(f'<p class="note">{HELD_OUT}: the label was not seen in training.</p>')
    for answer in answers:
        parts.append(f"<h2>{escape(answer.query.text)}</h2>")
        parts += [f'<p class="note">{escape(note)}</p>' for note in answer.query.notes]
        parts.append(_pictures(answer) if any(hit.file for hit in answer.hits) else _table(answer))
    write_output(path, _document(f"Search: {results}", parts))


def write_suspects(images: ImageIndex, report: SuspectReport, titles: Mapping[str, str], path: Path) -> None:
    """Writes the images that are likely mislabelled, most suspicious first, as a self-contained HTML file."""
    shown = report.suspects[:MAX_SUSPECTS]
    about = (
        f"{len(report.suspects):,} of {report.judged:,} images in {images.root} are nearer to another label than to "
        "their own, and at least as near to it as its own images are on average; "
        f"{'the first' if len(shown) < len(report.suspects) else 'all'} {len(shown):,} are below. They are sorted by "
        "how much nearer the other label is."
    )
    parts = [_head("Likely mislabelled", about), *_unjudged(report.unseen)]
    parts.append(_grid(_suspect(images, suspect, titles) for suspect in shown))
    write_output(path, _document("Likely mislabelled", parts))


def _pictures(answer: Answer) -> str:
    query_figure = [] if answer.query.image is None else [_figure(answer.query.image, "query", "", "query")]
    return _grid([*query_figure, *(_hit(hit) for hit in answer.hits)])


def _hit(hit: Hit) -> str:
    assert hit.file is not None
    parts = [f"{hit.cosine:.3f}{_mark(hit)}", *([escape(hit.name)] if hit.title else [])]
    return _figure(hit.file, hit.title or hit.name, "<br>".join(parts))


def _mark(hit: Hit) -> str:
    return f" {HELD_OUT}" if hit.held_out else ""


def _suspect(images: ImageIndex, suspect: Suspect, titles: Mapping[str, str]) -> str:
    lines = (
        f"nearest: <b>{escape(titles.get(suspect.nearest, suspect.nearest))}</b><br>"
        f"{degrees(suspect.own_angle):.0f}° from its label, {degrees(suspect.angle):.0f}° from the nearest<br>"
        f"{escape(images.images[suspect.image].path)}"
    )
    return _figure(images.file(suspect.image), titles.get(suspect.label, suspect.label), lines)


def _unjudged(unseen: Mapping[str, int]) -> Iterator[str]:
    if unseen:
        counts = ", ".join(f"{escape(label) or '(no label)'} ({count:,})" for label, count in unseen.items())
        yield f'<p class="note">Not judged, since their labels were not seen in training: {counts}.</p>'


def _figure(file: Path, title: str, lines: str, kind: str = "") -> str:
    source = inlined(file, SIZE)
    image = f'<img src="{source}" alt="{escape(title, quote=True)}">' if source else "<small>cannot be read</small>"
    return (
        f'<figure class="{kind}"><div class="frame">{image}</div>'
        f"<figcaption>{escape(title)}<small>{lines}</small></figcaption></figure>"
    )


def _grid(figures: Iterable[str]) -> str:
    return "\n".join(['<div class="grid">', *figures, "</div>"])


def _table(answer: Answer) -> str:
    rows = []
    for rank, hit in enumerate(answer.hits, 1):
        values = (str(rank), *(f"{getattr(hit, head):.3f}" for head in answer.scores))
        cells = [f'<td class="number">{value}</td>' for value in values]
        rows.append(f"<tr>{''.join(cells)}<td>{escape(hit.title)}{_mark(hit)}</td><td>{escape(hit.name)}</td></tr>")
    head = "".join(f"<th>{name}</th>" for name in ("", *answer.scores, "title", "name"))
    return "\n".join(["<table>", f"<tr>{head}</tr>", *rows, "</table>"])


def _head(title: str, about: str) -> str:
    return f"<h1>{escape(title)}</h1>\n<p>{escape(about)}</p>"


def _document(title: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    # Paths that are not UTF-8 have characters that an HTML file cannot contain.
    clean = body.encode("utf-8", "replace").decode()
    template = resources.files("seqvise.retrieval.render").joinpath("page.html").read_text("utf-8")
    return Template(template).substitute(title=escape(title), body=clean)
