"""``seqvise prepare``: tokenizes a corpus or extracts image features, and prints statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from seqvise.corpus.parallel.report import CorpusReport, FilterCounts, SideReport
from seqvise.corpus.tokens.options import WORDS
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
    show(store.report, store.path, config.tokenizer.units)


def show(report: CorpusReport, path: Path, units: str = WORDS) -> None:
    """Prints counts, length percentiles, warnings and the store's folder on standard output.

    Args:
        report: the counts.
        path: the store.
        units: name of the tokens, ``TokenizerOptions.units``.
    """
    console = Console(soft_wrap=True, highlight=False)
    for table in (_inputs("pairs", report.inputs), _parts(report), _sides(report, units)):
        console.print(table)
    for warning in report.warnings:
        console.print(f"warning: {warning}", markup=False)
    console.print(f"store: {path}", markup=False)


def _inputs(items: str, inputs: Mapping[str, FilterCounts]) -> Table:
    """One column per input, one row per reason, so that the table fits on a terminal with any number of reasons."""
    table = Table("input", *(f"data.{name}" for name in inputs))
    rows = {f"{items} read": [filtered.read for filtered in inputs.values()]}
    for title, counts in (("dropped: ", "dropped"), ("", "noticed")):
        tallies = [getattr(filtered, counts) for filtered in inputs.values()]
        for reason in dict.fromkeys(reason for tally in tallies for reason in tally):
            rows[f"{title}{reason}"] = [tally.get(reason, 0) for tally in tallies]
    for name, values in rows.items():
        table.add_row(name, *(f"{value:,}" for value in values))
    return table


def _parts(report: CorpusReport) -> Table:
    table = Table("part", "pairs kept")
    for name, pairs in report.kept.items():
        table.add_row(name, f"{pairs:,}")
    return table


def _sides(report: CorpusReport, units: str) -> Table:
    table = Table("training part", *(side.language for side in (report.source, report.target)))
    for name, *values in zip(
        names(report.source, units), values_of(report.source), values_of(report.target), strict=True
    ):
        table.add_row(name, *values)
    return table


def names(side: SideReport, units: str) -> Iterator[str]:
    """Names of the statistics of one side, in the order of ``values_of``. units: name of the tokens."""
    yield from ("vocabulary size", f"distinct {units}", f"out-of-vocabulary {units} in validation")
    yield from (f"length in {units}, {percentile} % of sentences up to" for percentile in side.lengths)
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
    for table in (
        _inputs("documents", store.report.inputs),
        _document_parts(store.report),
        _document_vocabulary(store.report, config.tokenizer.units),
    ):
        console.print(table)
    console.print(f"store: {store.path}", markup=False)


def _document_parts(report: TextReport) -> Table:
    table = Table("part", *report.kept)
    table.add_row("documents kept", *(f"{kept:,}" for kept in report.kept.values()))
    for label in sorted({label for counts in report.labels.values() for label in counts}):
        counts = (report.labels.get(part, {}).get(label, 0) for part in report.kept)
        table.add_row(Text(printable(label)), *(f"{count:,}" for count in counts))
    return table


def _document_vocabulary(report: TextReport, units: str) -> Table:
    table = Table("training part", report.side.language)
    for name, value in zip(names(report.side, units), values_of(report.side), strict=True):
        table.add_row(name.replace("sentences", "documents"), value)
    return table
