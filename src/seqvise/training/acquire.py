"""Acquires the data of a config before it is used: downloads, and the built-in pictures.

Every command calls ``acquire`` once before it builds anything. Processes that need the same file wait for the one that
downloads or makes it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from seqvise.config.options import Config
from seqvise.corpus.parallel.filters import PARTS
from seqvise.corpus.parallel.options import DataOptions
from seqvise.download.catalogue import CORPORA, missing_sources, vector_source
from seqvise.download.fetch import fetch
from seqvise.download.sources import ProgressCallback, Source, format_size
from seqvise.errors import UserError
from seqvise.images.options import ImageOptions
from seqvise.paths import cache_folder
from seqvise.progress_bar import counting

log = logging.getLogger(__name__)

NETWORK = "seqvise.images.synthetic.network.PicturesNetwork"


def acquire(config: Config) -> Config:
    """Downloads missing files and makes the built-in pictures. Returns the config with the paths of what was made.

    A dry run downloads nothing.

    Raises:
        UserError: as ``fetch_missing`` and ``with_pictures``; or a dry run misses a file.
    """
    if not config.dry_run:
        fetch_missing(config)
    elif missing := [str(folder / source.name) for source, folder in _downloads(config)]:
        advice = "run `seqvise prepare` with the other overrides first, or remove dry_run=true."
        raise UserError(*(f"{file} is missing, and dry_run=true does not download it: {advice}" for file in missing))
    return with_pictures(config)


def fetch_missing(config: Config, corpora: Mapping[str, Sequence[Source]] = CORPORA) -> None:
    """Downloads missing files of the config that have a known URL, if `data.download` or `vectors.download` is set.

    Args:
        corpora: the sources of each `data.name`.

    Raises:
        UserError: as ``seqvise.download.fetch.fetch``.
    """
    if downloads := _downloads(config, corpora):
        with _progress() as watch:
            for source, folder in downloads:
                fetch(source, folder, watch)


def corpus_files(data: DataOptions) -> list[str]:
    """The names of a corpus's files, without ``.gz``."""
    parts = [getattr(data, part) for part in PARTS]
    entries = [entry for part in parts for entry in ([part] if isinstance(part, str) else part or ())]
    suffixes = [f".{data.source}", f".{data.target}"] if data.format == "paired" else [""]
    return [f"{entry}{suffix}" for entry in entries for suffix in suffixes]


def _downloads(config: Config, corpora: Mapping[str, Sequence[Source]] = CORPORA) -> list[tuple[Source, Path]]:
    """The missing sources of a config, each with the folder to download it to."""
    return [*_corpus_sources(config.data, corpora), *_vector_sources(config)]


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


def with_pictures(config: Config) -> Config:
    """The config with `data.root`, `data.weights` and `vectors.target` of the built-in pictures filled in if null.

    Files that are not in the cache yet are created, and a `data.root` that does not exist is replaced. Configs of other
    data are returned unchanged.

    Raises:
        UserError: fastText is not installed, or a held-out label does not exist.
    """
    data = config.data
    if not isinstance(data, ImageOptions) or data.layout != "pictures":
        return config
    cache = cache_folder(config.paths).resolve()
    absent = data.root is not None and not Path(data.root).is_dir()
    if absent:  # a run from another machine, or without its cache
        log.warning("data.root is %s, which does not exist: the built-in pictures in %s are used.", data.root, cache)
    if absent or data.root is None:
        data = replace(data, root=str(_draw(cache, data.seed)))
    if data.weights is None and data.backbone == NETWORK and data.precompute:
        data = replace(data, weights=str(_weights(data, cache)))
    vectors = config.vectors
    if vectors.name == "trained" and vectors.target is None:
        vectors = replace(vectors, name="fasttext", target=str(_vectors(config, cache)))
    return replace(config, data=data, vectors=vectors)


def _draw(cache: Path, seed: int) -> Path:
    from seqvise.images.synthetic.scene import draw_set

    return draw_set(cache, seed)


def _vectors(config: Config, cache: Path) -> Path:
    from seqvise.images.synthetic.text import vectors_file

    return vectors_file(config.vectors, cache)


def _weights(data: ImageOptions, cache: Path) -> Path:
    from seqvise.images.label_space import split_images
    from seqvise.images.listing import find_images
    from seqvise.images.synthetic.network import weights_file

    parts = find_images(data)
    with counting("backbone", "epochs") as progress:
        return weights_file(split_images(data, parts, parts.images.names), cache, data.seed, progress)
