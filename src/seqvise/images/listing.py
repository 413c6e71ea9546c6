"""Which images there are, what each shows, and which part each serves."""

from __future__ import annotations

import difflib
import io
import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.options import CUT, FIRST, SKIP
from seqvise.errors import UserError
from seqvise.files import csv_rows, digest
from seqvise.images.options import ImageOptions

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
Item = tuple[str, str]
"""An image's path below the root, with slashes, and its label."""

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
PARTS = ("train", "valid", "test")
SEEN_LABELS = "seen.txt"
"""The file of a run's labels folder that names the labels of training."""
NONE = -1
"""The label of an image that shows none of the names."""


@dataclass(frozen=True)
class ImageList:
    """Images of one folder.

    Attributes:
        root: the folder.
        paths: of each image below the root, with slashes.
        labels: (N,) int32, the place of each image's label in ``names``, or ``NONE``.
        names: the labels: folder names, or synset ids.
    """

    root: Path
    paths: tuple[str, ...]
    labels: NDArray[np.int32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def file(self, row: int) -> Path:
        """Where an image lies."""
        return self.root / self.paths[row]

    def select(self, rows: Rows) -> ImageList:
        """The chosen images, in the order of ``rows``."""
        return replace(self, paths=tuple(self.paths[row] for row in rows.tolist()), labels=self.labels[rows])

    def digest(self) -> str:
        """A hash of the images' paths below the root and of their sizes in bytes; root and labels are not in it."""
        sizes = [_size(self.file(row)) for row in range(len(self))]
        return digest(json.dumps([self.paths, sizes]))


@dataclass(frozen=True)
class ImageSplit:
    """All images of a data set, and what each serves.

    Attributes:
        images: of all parts. What belongs to no label of ``images.names`` has label ``NONE`` and is in no part.
        held_out: (H,) int32, the labels, ascending, that training never sees.
        rows: of ``images``, ascending, by use. ``train``, ``valid`` and ``test`` are of the other labels;
            ``valid_held_out`` are all images of held-out labels outside the test part, ``test_held_out`` those in it.
    """

    images: ImageList
    held_out: NDArray[np.int32]
    rows: Mapping[str, Rows]

    @property
    def seen(self) -> NDArray[np.int32]:
        """(S,) int32, the labels of training, ascending."""
        return np.setdiff1d(np.arange(len(self.images.names), dtype=np.int32), self.held_out)


@dataclass(frozen=True)
class ImageParts:
    """The images of a data set as they lie on the disk.

    Attributes:
        images: in the order of the disk, whichever are set aside for validation; ``names`` in alphabetical order.
        rows: of ``images``, by part: ``train``, ``valid`` and where there is one ``test``.
    """

    images: ImageList
    rows: Mapping[str, Rows]

    def split(self, options: ImageOptions, names: Sequence[str] | None = None) -> ImageSplit:
        """Sets the held-out labels apart.

        Args:
            names: the labels to use, as those that have a vector, in the order that they are to be numbered in; null
                for all. Images of others are left out.

        Raises:
            UserError: a held-out label does not exist, or no label or no image is left for training.
        """
        images = self.images if names is None else _renumbered(self.images, names)
        held_out = held_out_labels(options, images.names)
        apart = np.isin(images.labels, held_out)
        seen = (images.labels != NONE) & ~apart
        rows = {part: rows[seen[rows]] for part, rows in self.rows.items()}
        learning = np.concatenate([rows for part, rows in self.rows.items() if part != "test"])
        rows["valid_held_out"] = np.sort(learning[apart[learning]])
        if "test" in self.rows:
            rows["test_held_out"] = self.rows["test"][apart[self.rows["test"]]]
        if not len(rows["train"]):
            raise UserError(f"Of the images '{options.name}' none is left for training: see data.held_out.")
        return ImageSplit(images, held_out, rows)


def find_images(options: ImageOptions) -> ImageParts:
    """Lists the images of every part. Where there is no validation part, a share of training's is set aside.

    Raises:
        UserError: a folder or file is missing or holds no image, or is not of the layout that the options name.
    """
    root = Path(options.root or "")
    if not root.is_dir():
        raise UserError(f"data.root is {root}, but there is no such folder.")
    parts = {part: _limited(items, options) for part, items in _part_items(root, options).items()}
    images = _image_list(root, list(chain.from_iterable(parts.values())))
    ends = np.cumsum([0, *map(len, parts.values())])
    rows = {part: np.arange(ends[place], ends[place + 1]) for place, part in enumerate(parts)}
    if "valid" not in rows:
        rows["train"], rows["valid"] = _set_aside(images, rows["train"], options)
    return ImageParts(images, rows)


def list_folder(root: Path) -> ImageList:
    """Every image below a folder. Its label is the first folder on the way to it; without one it has none.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: give a folder of images.")
    paths = _image_paths(root, root)
    if not paths:
        raise UserError(f"{root} holds no image (a file that ends in {', '.join(sorted(SUFFIXES))}).")
    folders = [PurePosixPath(path).parts[0] if "/" in path else None for path in paths]
    names = tuple(sorted({folder for folder in folders if folder is not None}))
    places = {name: place for place, name in enumerate(names)}
    labels = [NONE if folder is None else places[folder] for folder in folders]
    return ImageList(root, tuple(paths), np.array(labels, np.int32), names)


def held_out_labels(options: ImageOptions, names: Sequence[str]) -> NDArray[np.int32]:
    """(H,) int32, the places in ``names`` of the labels that training never sees, ascending.

    A number of labels is drawn by ``options.seed`` and the labels' own names: the same whatever their order.

    Raises:
        UserError: a label is not among the names, or none would be left for training.
    """
    chosen = options.held_out
    if isinstance(chosen, int):
        chosen = sorted(names, key=lambda name: _hash(options.seed, name))[:chosen]
    elif isinstance(chosen, str):
        chosen = _lines(Path(chosen))
    chosen = list(dict.fromkeys(chosen or ()))
    if strangers := [label for label in chosen if label not in names]:
        raise UserError(*(f"data.held_out: there is no label '{name}'{_nearest(name, names)}." for name in strangers))
    if len(chosen) >= len(names):
        raise UserError(f"data.held_out is all {len(names)} labels, but some must be left to train on.")
    places = {name: place for place, name in enumerate(names)}
    return np.array(sorted(places[label] for label in chosen), np.int32)


def seen_and_held_out(options: ImageOptions, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The labels that training sees, and those that it does not but that are measured, in the order of ``names``.

    With ``options.fold`` the labels held out are left out altogether, and as many as a fifth of the others are held out
    in their place, drawn by the fold's number: for choosing between settings without a look at what is held out.

    Raises:
        UserError: see ``held_out_labels``.
    """
    held_out = [names[place] for place in held_out_labels(options, names)]
    unseen = set(held_out)
    seen = [name for name in names if name not in unseen]
    if options.fold is None:
        return seen, held_out
    order = np.random.default_rng([options.seed, options.fold]).permutation(len(seen))
    apart = set(order[: max(1, len(seen) // 5)].tolist())
    held_out = [name for place, name in enumerate(seen) if place in apart]
    return [name for place, name in enumerate(seen) if place not in apart], held_out


def _part_items(root: Path, options: ImageOptions) -> dict[str, list[Item]]:
    if options.layout == "csv":
        named = {part: getattr(options, part) for part in PARTS}
        return {part: list(_csv_items(root, name, options)) for part, name in named.items() if name}
    folders = _part_folders(root, options)
    return {part: _folder_items(root, folder, options.layout) for part, folder in folders.items()}


def _part_folders(root: Path, options: ImageOptions) -> dict[str, Path]:
    if options.layout == "folder" and not options.train:
        return {"train": root}
    given = {part: getattr(options, part) for part in PARTS}
    if options.layout != "folder":
        given["train"] = given["train"] or "train"
        # Both names are in use: the archive's own is `val`.
        given["valid"] = given["valid"] or next((name for name in ("valid", "val") if (root / name).is_dir()), None)
    folders = {part: root / name for part, name in given.items() if name}
    if missing := [part for part, folder in folders.items() if not folder.is_dir()]:
        raise UserError(*(f"data.{part} is {folders[part]}, but there is no such folder." for part in missing))
    return folders


def _folder_items(root: Path, folder: Path, layout: str) -> list[Item]:
    below = len(folder.relative_to(root).parts)
    paths = [(path, PurePosixPath(path).parts) for path in _image_paths(root, folder)]
    items = [(path, parts[below]) for path, parts in paths if len(parts) > below + 1]
    if not items:
        found = "images but no folders" if paths else "no image"
        raise UserError(f"{folder} holds {found}: each label needs a folder of its name, with its images in it.")
    strangers = sorted({label for _, label in items if not re.fullmatch(r"n\d{8}", label)})
    if layout == "imagenet" and strangers:
        raise UserError(
            f"{folder} holds the folder '{strangers[0]}', but data.layout=imagenet wants folders named by synset, as "
            "n02084071: set data.layout=folder, with data.train and data.valid."
        )
    return items


def _image_paths(root: Path, folder: Path) -> list[str]:
    """Images in a folder and below, in alphabetical order, as paths below the root; hidden files are left out.

    Symbolic links are followed, but each folder is visited once: at its own place if that is below ``folder``, else by
    the first link that leads to it.
    """
    visited: set[str] = set()
    images, links = _walk(str(folder), visited)
    while links:
        link = links.pop(0)
        if os.path.realpath(link) not in visited:
            more, further = _walk(link, visited)
            images += more
            links = sorted([*links, *further])
    return sorted((Path(path).relative_to(root).as_posix() for path in images), key=lambda path: path.split("/"))


def _walk(folder: str, visited: set[str]) -> tuple[list[str], list[str]]:
    """Images of a folder and of the real folders below it, and the links to folders among them."""
    visited.add(os.path.realpath(folder))
    images: list[str] = []
    links: list[str] = []
    with os.scandir(folder) as entries:
        shown = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in shown:
        if entry.is_dir(follow_symlinks=False):
            if os.path.realpath(entry.path) not in visited:
                more, further = _walk(entry.path, visited)
                images += more
                links += further
        elif Path(entry.path).is_dir():  # False for a link to itself, unlike DirEntry.is_dir
            links.append(entry.path)
        elif Path(entry.name).suffix.lower() in SUFFIXES and Path(entry.path).is_file():
            images.append(entry.path)
    return images, links


def _csv_items(root: Path, name: str, options: ImageOptions) -> Iterator[Item]:
    file = root / name
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.") from None
    rows = csv_rows(str(file), io.StringIO(text, newline=""))
    header = next(rows, (1, []))[1]
    if missing := [column for column in options.columns if column not in header]:
        raise UserError(
            f"{file} has no column '{missing[0]}' in its first line ({', '.join(header)}): set data.columns to the "
            "names of the path's and the label's."
        )
    yield from _csv_rows(root, file, rows, header, options)


def _csv_rows(
    root: Path, file: Path, rows: Iterator[tuple[int, list[str]]], header: list[str], options: ImageOptions
) -> Iterator[Item]:
    places = [header.index(column) for column in options.columns]
    count = 0
    for count, (line, row) in enumerate(_whole_rows(file, rows, len(header), options.on_bad), 1):  # noqa: B007
        path, label = (row[place] for place in places)
        if not path or not label:
            raise UserError(f"{file}, line {line}: a path and a label are needed.")
        if not (root / path).is_file():
            raise UserError(f"{file}, line {line}: there is no file {root / path}.")
        yield Path(path).as_posix(), label
    if not count:
        raise UserError(f"{file} names no image.")


def _whole_rows(
    file: Path, rows: Iterator[tuple[int, list[str]]], width: int, on_bad: str
) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank and have a field for each column. on_bad: see ``data.on_bad``."""
    skipped = 0
    for line, row in rows:
        if len(row) == width or (row and on_bad == CUT):
            yield line, row + [""] * (width - len(row))
        elif row and on_bad == SKIP:
            skipped += 1
        elif row:
            raise UserError(
                f"{file}, line {line} has {len(row)} field{'s'[: len(row) != 1]}, but must have {width} as its first "
                "line has: mend it, or leave such rows out with data.on_bad=skip."
            )
    if skipped:
        log.warning("%s: %d rows of another number of fields are left out (data.on_bad=skip).", file, skipped)


def _limited(items: list[Item], options: ImageOptions) -> list[Item]:
    """At most ``options.limit`` items of each label, drawn by a hash of their paths: a larger limit keeps them too."""
    if options.limit is None:
        return items
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, (_, label) in enumerate(items):
        rows[label].append(row)
    if options.limit_choice != FIRST:
        for label_rows in rows.values():
            label_rows.sort(key=lambda row: _hash(options.seed, f"limit {items[row][0]}"))
    kept = sorted(chain.from_iterable(label_rows[: options.limit] for label_rows in rows.values()))
    return [items[row] for row in kept]


def _set_aside(images: ImageList, train: Rows, options: ImageOptions) -> tuple[Rows, Rows]:
    """Moves of each label a share to validation, one image at least and never the last, by a hash of the path."""
    chosen: list[int] = []
    for label in np.unique(images.labels[train]):
        rows = train[images.labels[train] == label].tolist()
        count = min(max(1, round(options.valid_fraction * len(rows))), len(rows) - 1)
        chosen += sorted(rows, key=lambda row: _hash(options.seed, images.paths[row]))[:count]
    if not chosen:
        raise UserError("No label has two images, so that none can be set aside for validation: set data.valid.")
    return np.setdiff1d(train, chosen), np.array(sorted(chosen), np.int64)


def _image_list(root: Path, items: Sequence[Item]) -> ImageList:
    names = tuple(sorted({label for _, label in items}))
    places = {name: place for place, name in enumerate(names)}
    labels = np.array([places[label] for _, label in items], np.int32)
    return ImageList(root, tuple(path for path, _ in items), labels, names)


def _renumbered(images: ImageList, names: Sequence[str]) -> ImageList:
    places: dict[Any, int] = {name: place for place, name in enumerate(names)}
    table = np.array([places.get(name, NONE) for name in images.names], np.int32)
    labels = np.where(images.labels == NONE, np.int32(NONE), table[images.labels])
    return replace(images, labels=labels, names=tuple(names))


def _nearest(label: str, names: Sequence[str]) -> str:
    likely = difflib.get_close_matches(label, names, n=1)
    return f"; the nearest is '{likely[0]}'" if likely else ""


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"data.held_out is {path}, but that file cannot be read: {error}.") from None


def _hash(seed: int, text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8, salt=seed.to_bytes(8, "little")).digest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return NONE
