"""Markdown tables, and the table of the runs of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from results.published import Published
from results.record import Record

NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """A column of the table of runs.

    Attributes:
        head: its heading.
        cell: returns the value of a run; None if missing.
        text: format specification of a value.
        best: chooses the best value, which is set bold; None if no value is better.
    """

    head: str
    cell: Callable[[Record], float | None]
    text: str
    best: Callable[[Sequence[float]], float] | None = None

    def cells(self, records: Sequence[Record]) -> list[str]:
        """Text for each run; the best of several values, and values with the same text, are bold."""
        values = [self.cell(record) for record in records]
        texts = [NOTHING if value is None else format(value, self.text) for value in values]
        present = [value for value in values if value is not None]
        if self.best is None or len(present) < 2:
            return texts
        best = format(self.best(present), self.text)
        return [f"**{text}**" if text == best else text for text in texts]


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str] = ()) -> str:
    """A Markdown table. left: heads of the left-aligned text columns; the other columns are right-aligned."""
    marks = ["---" if head in left else "---:" for head in heads]
    lines = [[_escaped(cell) for cell in row] for row in (heads, marks, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def run_table(records: Sequence[Record], published: Published) -> str:
    """One row per run; columns without values are omitted."""
    columns = [column for column in _columns(published) if any(column.cell(record) is not None for record in records)]
    cells = [column.cells(records) for column in columns]
    epochs = [_epochs(record) for record in records]
    heads = ["experiment", "epochs", *(column.head for column in columns), "device"]
    names = row_names(records)
    rows = [
        [names[index], epochs[index], *(column[index] for column in cells), device(record)]
        for index, record in enumerate(records)
    ]
    return markdown(heads, rows, left=("experiment", "device"))


def row_names(records: Sequence[Record]) -> list[str]:
    """Distinct labels of the runs, with the seed if several runs share a label."""
    labels = [record.label for record in records]
    return [
        f"{record.label}, seed {record.seed}" if labels.count(record.label) > 1 else record.label for record in records
    ]


def device(record: Record) -> str:
    """The device of a run."""
    if record.device != "cpu":
        world = record.number("world_size") or 1
        return f"{world:g} × {record.device}" if world > 1 else record.device
    name = record.processor or "cpu"
    return name if record.threads is None else f"{name}, {counted(record.threads, 'thread')}"


def counted(count: int, noun: str) -> str:
    """A count with its noun: 1 thread, 2 threads."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _columns(published: Published) -> list[Column]:
    columns = [
        Column("parameters", lambda record: record.number("parameters"), ",.0f"),
        _metric("val/loss_free_padded", ".3f", min),
        _metric("val/loss_free", ".3f", min),
        _metric("val/loss", ".3f", min),
        _metric("val/ppl", ".2f", min),
        *(_of_texts(name) for name in ("val/accuracy", "val/f1")),
        _metric("val/bleu", ".2f", max),
        _metric("val/chrf", ".2f", max),
        _metric("test/bleu", ".2f", max),
        _metric("test/chrf", ".2f", max),
        Column("minutes", _minutes, ".1f"),
    ]
    heads = [column.head for column in columns]
    position = heads.index(published.metric) + 1 if published.metric in heads else len(heads)
    last = Column(f"{published.metric}, last epoch", lambda record: record.last(published.metric), ".3f", min)
    return [*columns[:position], last, Column(published.name, published.value, ".3f"), *columns[position:]]


def _metric(name: str, text: str, best: Callable[[Sequence[float]], float]) -> Column:
    return Column(name, lambda record: record.number(name), text, best)


def _of_texts(name: str) -> Column:
    """A metric of language models and classifiers, not shown for translation."""
    return Column(name, lambda record: None if record.number("val/bleu") else record.number(name), ".1%", max)


def _minutes(record: Record) -> float | None:
    seconds = record.number("seconds")
    return None if seconds is None else seconds / 60


def _epochs(record: Record) -> str:
    best, trained = record.number("epoch"), record.number("epochs")
    return " of ".join(NOTHING if count is None else f"{count:g}" for count in (best, trained))


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("\n", " ")
