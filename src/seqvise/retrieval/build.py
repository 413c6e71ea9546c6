"""An index of the images in a folder: made, or brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqvise.errors import UserError
from seqvise.images.listing import NONE, ImageList
from seqvise.retrieval.collection import Binding, ImageIndex, IndexedImage
from seqvise.retrieval.exact import ExactIndex
from seqvise.retrieval.index import find_kind
from seqvise.retrieval.options import EXACT, GraphOptions, chosen_kind
from seqvise.retrieval.recall import tuned_recall
from seqvise.retrieval.vectors import Rows


@dataclass(frozen=True, eq=False)
class Embedded:
    """Vectors of those images that could be read.

    Attributes:
        vectors: (N, D), of length 1.
        rows: (N,) int64, which of the images each is of, ascending.
        faults: a sentence for each image that could not be read.
    """

    vectors: Rows
    rows: np.ndarray
    faults: tuple[str, ...] = ()


Embed = Callable[[ImageList], Embedded]


@dataclass(frozen=True)
class Changes:
    """What became of the images of an index: how many are new, gone and as they were, and what could not be read."""

    added: int
    removed: int
    kept: int
    faults: tuple[str, ...]


def build_index(
    images: ImageList,
    embed: Embed,
    binding: Binding,
    kind: str,
    old: ImageIndex | None = None,
    words: Rows | None = None,
    options: GraphOptions | None = None,
) -> tuple[ImageIndex, Changes]:
    """An index of the images.

    Args:
        images: what it is to hold.
        embed: makes vectors of images.
        binding: the model behind ``embed``.
        kind: ``exact``, ``nmslib``, ``faiss``, or ``auto`` by the number of images.
        old: an index by the same model; vectors of images that have not changed since are taken from it.
        words: (W, D) vectors of words, which recall is measured with, beside images.
        options: of the graph of an approximate index.

    Raises:
        UserError: no image could be read.
    """
    listed = _listed(images)
    stays = {one: image for one, image in (old.images.items() if old else ()) if listed.get(image.path) == image}
    known = {image.path for image in stays.values()}
    fresh = images.select(np.array([row for row, path in enumerate(images.paths) if path not in known], np.int64))
    made = embed(fresh) if len(fresh) else None
    faults = made.faults if made else ()
    table = _table(old, set(stays), made)
    entries = dict(stays)
    if made is not None:
        new = [listed[fresh.paths[row]] for row in made.rows.tolist()]
        entries |= zip(table.add(made.vectors).tolist(), new, strict=True)
    if not entries:
        raise UserError(f"None of the {len(images)} images in {images.root} can be read: {faults[0]}")
    found = _indexed(images.root, entries, table, chosen_kind(kind, len(table)), binding, words, options)
    return found, Changes(len(entries) - len(stays), len(old.images) - len(stays) if old else 0, len(stays), faults)


def labelled(images: ImageList, names: Sequence[str]) -> ImageList:
    """The images with the labels of their folders: of the folders on an image's path the first that is among names.

    An image whose path has none of them keeps its first folder as its label.
    """
    known = frozenset(names)
    labels = [_label(path, known) for path in images.paths]
    found = tuple(sorted({label for label in labels if label}))
    places = {"": NONE, **{name: place for place, name in enumerate(found)}}
    return ImageList(images.root, images.paths, np.array([places[label] for label in labels], np.int32), found)


def _label(path: str, known: frozenset[str]) -> str:
    folders = path.split("/")[:-1]
    return next((name for name in folders if name in known), folders[0] if folders else "")


def _listed(images: ImageList) -> dict[str, IndexedImage]:
    names = {NONE: "", **dict(enumerate(images.names))}
    labels = [names[label] for label in images.labels.tolist()]
    return {path: _entry(images.root, path, label) for path, label in zip(images.paths, labels, strict=True)}


def _entry(root: Path, path: str, label: str) -> IndexedImage:
    found = (root / path).stat()
    return IndexedImage(path, label, found.st_size, found.st_mtime_ns)


def _table(old: ImageIndex | None, stays: set[int], made: Embedded | None) -> ExactIndex:
    if old is None:
        dim = made.vectors.shape[1] if made else 0
        return ExactIndex(np.empty((0, dim), np.float32), np.empty(0, np.int64))
    table = ExactIndex(old.index.vectors, old.index.ids)
    table.remove([one for one in old.images if one not in stays])
    return table


def _indexed(
    root: Path,
    images: dict[int, IndexedImage],
    table: ExactIndex,
    kind: str,
    binding: Binding,
    words: Rows | None,
    options: GraphOptions | None,
) -> ImageIndex:
    if kind == EXACT:
        return ImageIndex(root, images, table, kind, binding)
    options = options or GraphOptions()
    index = find_kind(kind).build(table.vectors, table.ids, options)
    return ImageIndex(root, images, index, kind, binding, tuned_recall(index, options, words))
