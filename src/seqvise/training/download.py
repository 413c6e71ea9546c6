"""Downloads the files of `data.download` and `vectors.download` before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TimeRemainingColumn, TransferSpeedColumn

from seqvise.config.options import Config
from seqvise.corpus.parallel.filters import PARTS
from seqvise.corpus.parallel.options import DataOptions
from seqvise.download.catalogue import CORPORA, missing_sources, vector_source
from seqvise.download.fetch import fetch
from seqvise.download.sources import ProgressCallback, Source, format_size


def fetch_missing(config: Config, corpora: Mapping[str, Sequence[Source]] = CORPORA) -> None:
    """Downloads missing files of the config that have a known URL, if `data.download` or `vectors.download` is set.

    Args:
        corpora: the sources of each `data.name`.

    Raises:
        UserError: as ``seqvise.download.fetch.fetch``.
    """
    downloads = [*_corpus_sources(config.data, corpora), *_vector_sources(config)]
    if downloads:
        with _progress() as watch:
            for source, folder in downloads:
                fetch(source, folder, watch)


def corpus_files(data: DataOptions) -> list[str]:
    """The names of a corpus's files, without ``.gz``."""
    parts = [getattr(data, part) for part in PARTS]
    entries = [entry for part in parts for entry in ([part] if isinstance(part, str) else part or ())]
    suffixes = [f".{data.source}", f".{data.target}"] if data.format == "paired" else [""]
    return [f"{entry}{suffix}" for entry in entries for suffix in suffixes]


def _corpus_sources(data: object, corpora: Mapping[str, Sequence[Source]]) -> Iterator[tuple[Source, Path]]:
    if isinstance(data, DataOptions) and data.download:
        root = Path(data.root or ".").expanduser()
        for source in missing_sources(corpora.get(data.name, ()), root, corpus_files(data)):
            yield source, root


def _vector_sources(config: Config) -> Iterator[tuple[Source, Path]]:
    vectors = config.vectors
    if vectors.name == "fasttext" and vectors.download:
        for file in (Path(path).expanduser() for path in (vectors.source, vectors.target) if path):
            source = vector_source(file.name)
            if source is not None and not file.is_file():
                yield source, file.parent


@contextmanager
def _progress() -> Iterator[ProgressCallback]:
    """Prints the name and size of each download on standard error, and shows a progress bar."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True) as progress:

        def watch(task: str, done: int, total: int | None) -> None:
            if task not in bars:
                size = f" ({format_size(total)})" if total is not None else ""
                resumed = f", {format_size(done)} already downloaded" if done else ""
                console.print(f"{task}{size}{resumed}", markup=False)
                bars[task] = progress.add_task("", total=total)
            progress.update(bars[task], completed=done, total=total)

        yield watch
