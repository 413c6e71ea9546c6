"""Documents become a text store, and one sees what was kept."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqvise.apps.folders import cache_folder
from seqvise.apps.prepare import names, values_of
from seqvise.config.options import Config
from seqvise.corpus.text_prepare import prepare_text
from seqvise.corpus.text_store import TextReport
from seqvise.plain_text import printable


def prepare_documents(config: Config, progress: Callable[[int], None]) -> None:
    """Prepares the documents of a config, and prints counts on standard output, and last the store's folder."""
    store = prepare_text(config.data, config.tokenizer, cache_folder(config.paths), progress=progress, verify=True)
    console = Console(soft_wrap=True, highlight=False)
    for table in (_inputs(store.report), _parts(store.report), _words(store.report)):
        console.print(table)
    console.print(f"store: {store.path}", markup=False)


def _inputs(report: TextReport) -> Table:
    reasons = sorted({reason for tally in report.inputs.values() for reason in (*tally.dropped, *tally.noticed)})
    table = Table("input", "documents read", *reasons)
    for name, tally in report.inputs.items():
        counts = {**tally.dropped, **tally.noticed}
        table.add_row(f"data.{name}", f"{tally.read:,}", *(f"{counts.get(reason, 0):,}" for reason in reasons))
    return table


def _parts(report: TextReport) -> Table:
    labels = sorted({label for counts in report.labels.values() for label in counts})
    table = Table("part", "documents kept")
    for label in labels:
        table.add_column(Text(printable(label)))
    for part, kept in report.kept.items():
        counts = report.labels.get(part, {})
        table.add_row(part, f"{kept:,}", *(f"{counts.get(label, 0):,}" for label in labels))
    return table


def _words(report: TextReport) -> Table:
    table = Table("training part", report.side.language)
    for name, value in zip(names(report.side), values_of(report.side), strict=True):
        table.add_row(name.replace("sentences", "documents"), value)
    return table
