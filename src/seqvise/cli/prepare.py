"""``seqvise prepare``: tokenizes a corpus or extracts image features, and prints statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from seqvise.cli.support.hydra_command import hydra_command
from seqvise.cli.support.inputs import missing_data
from seqvise.config.options import Config
from seqvise.config.schema import typed
from seqvise.config.validate import validate_data
from seqvise.corpus.documents.options import TextOptions
from seqvise.corpus.documents.store import TextReport
from seqvise.corpus.parallel.report import CorpusReport, SideReport
from seqvise.paths import cache_folder
from seqvise.plain_text import printable
from seqvise.training.acquire import acquire
from seqvise.training.image_features import prepare_images


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise prepare`` and returns its exit code."""
    return hydra_command(_prepare, argv, fixed=["hydra=bare"], check=validate_data, accept=_missing)


def _missing(cfg: DictConfig, _directory: Path | None, _overrides: Sequence[str]) -> list[str]:
    return missing_data(typed(cfg))


def _prepare(cfg: DictConfig, _start: list[str]) -> None:
    from seqvise.corpus.parallel.prepare import prepare_corpus

    config = acquire(typed(cfg))
    if config.data.kind == "images":
        prepare_images(config)
        return
    if isinstance(config.data, TextOptions):
        with show_progress("documents read") as progress:
            prepare_documents(config, progress)
        return
    with show_progress("pairs read") as progress:
        store = prepare_corpus(
            config.data, config.tokenizer, cache_folder(config.paths), progress=progress, verify=True
        )
    show(store.report, store.path)


def show(report: CorpusReport, path: Path) -> None:
    """Prints counts, length percentiles, warnings and the store's folder on standard output."""
    console = Console(soft_wrap=True, highlight=False)
    for table in (_inputs(report), _parts(report), _sides(report)):
        console.print(table)
    for warning in report.warnings:
        console.print(f"warning: {warning}", markup=False)
    console.print(f"store: {path}", markup=False)


def _inputs(report: CorpusReport) -> Table:
    dropped, noticed = list(report.dropped), list(report.noticed)
    table = Table("input", "pairs read", *(f"dropped: {reason}" for reason in dropped), *noticed)
    for name, filtered in report.inputs.items():
        counts = [
            *(filtered.dropped.get(reason, 0) for reason in dropped),
            *(filtered.noticed.get(f, 0) for f in noticed),
        ]
        table.add_row(f"data.{name}", f"{filtered.read:,}", *(f"{count:,}" for count in counts))
    return table


def _parts(report: CorpusReport) -> Table:
    table = Table("part", "pairs kept")
    for name, pairs in report.kept.items():
        table.add_row(name, f"{pairs:,}")
    return table


def _sides(report: CorpusReport) -> Table:
    table = Table("training part", *(side.language for side in (report.source, report.target)))
    for name, *values in zip(names(report.source), values_of(report.source), values_of(report.target), strict=True):
        table.add_row(name, *values)
    return table


def names(side: SideReport) -> Iterator[str]:
    """Names of the statistics of one side, in the order of ``values_of``."""
    yield from ("vocabulary size", "distinct words", "out-of-vocabulary words in validation")
    yield from (f"length, {percentile} % of sentences up to" for percentile in side.lengths)
    yield "truncated at"


def values_of(side: SideReport) -> Iterator[str]:
    """Formatted statistics of one side."""
    yield from (f"{side.words:,}", f"{side.distinct:,}", f"{side.unknown:.1%}")
    yield from map(str, side.lengths.values())
    yield "-" if side.cut is None else str(side.cut)


@contextmanager
def show_progress(description: str) -> Iterator[Callable[[int], None]]:
    """Shows a running count on standard error."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=None)
        yield lambda pairs: progress.update(task, completed=pairs)


def prepare_documents(config: Config, progress: Callable[[int], None]) -> None:
    """Prepares the documents of a config, and prints counts and the store's folder on standard output."""
    from seqvise.corpus.documents.prepare import prepare_text

    store = prepare_text(config.data, config.tokenizer, cache_folder(config.paths), progress=progress, verify=True)
    console = Console(soft_wrap=True, highlight=False)
    for table in (_document_inputs(store.report), _document_parts(store.report), _document_vocabulary(store.report)):
        console.print(table)
    console.print(f"store: {store.path}", markup=False)


def _document_inputs(report: TextReport) -> Table:
    reasons = sorted(
        {reason for filtered in report.inputs.values() for reason in (*filtered.dropped, *filtered.noticed)}
    )
    table = Table("input", "documents read", *reasons)
    for name, filtered in report.inputs.items():
        counts = {**filtered.dropped, **filtered.noticed}
        table.add_row(f"data.{name}", f"{filtered.read:,}", *(f"{counts.get(reason, 0):,}" for reason in reasons))
    return table


def _document_parts(report: TextReport) -> Table:
    labels = sorted({label for counts in report.labels.values() for label in counts})
    table = Table("part", "documents kept")
    for label in labels:
        table.add_column(Text(printable(label)))
    for part, kept in report.kept.items():
        counts = report.labels.get(part, {})
        table.add_row(part, f"{kept:,}", *(f"{counts.get(label, 0):,}" for label in labels))
    return table


def _document_vocabulary(report: TextReport) -> Table:
    table = Table("training part", report.side.language)
    for name, value in zip(names(report.side), values_of(report.side), strict=True):
        table.add_row(name.replace("sentences", "documents"), value)
    return table
