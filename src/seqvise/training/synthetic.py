"""The built-in pictures: fills in their image folder, word vectors and network weights in a config."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seqvise.config.options import Config
from seqvise.images.options import ImageOptions
from seqvise.paths import cache_folder

log = logging.getLogger(__name__)

NETWORK = "seqvise.images.synthetic.network.PicturesNetwork"


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
    from seqvise.images.synthetic.scene import COUNT, draw_set, pictures_folder

    if not pictures_folder(cache, seed).exists():
        log.info("pictures: drawing %s images", f"{COUNT:,}")
    return draw_set(cache, seed)


def _vectors(config: Config, cache: Path) -> Path:
    from seqvise.images.synthetic.text import vectors_file

    log.info("pictures: training word vectors on the built-in text")
    return vectors_file(config.vectors, cache)


def _weights(data: ImageOptions, cache: Path) -> Path:
    from seqvise.images.label_space import split_images
    from seqvise.images.listing import find_images
    from seqvise.images.synthetic.network import weights_file

    parts = find_images(data)
    with _counting_epochs() as progress:
        return weights_file(split_images(data, parts, parts.images.names), cache, data.seed, progress)


@contextmanager
def _counting_epochs() -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("network"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("network", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
