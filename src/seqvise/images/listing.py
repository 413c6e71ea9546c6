"""Listing of images with their labels, and their split into parts."""

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
"""File in a run's labels folder with the names of the labels seen in training."""
NO_LABEL = -1
"""Label id of images without a label."""


@dataclass(frozen=True)
class ImageList:
    """Images of one folder.

    Attributes:
        paths: paths of the images below the root, with slashes.
        labels: (N,) int32 indices into ``names``, or ``NO_LABEL``.
        names: label names: folder names, or synset ids.
    """

    root: Path
    paths: tuple[str, ...]
    labels: NDArray[np.int32]
    names: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, paths: Sequence[str], labels: Sequence[str]) -> ImageList:
        """A list with the names in alphabetical order. labels: name of the label of each image, "" for none."""
        names = tuple(sorted({label for label in labels if label}))
        label_ids = {"": NO_LABEL, **{name: label_id for label_id, name in enumerate(names)}}
        return cls(root, tuple(paths), np.array([label_ids[label] for label in labels], np.int32), names)

    def __len__(self) -> int:
        return len(self.paths)

    def file(self, row: int) -> Path:
        """The path of an image."""
        return self.root / self.paths[row]

    def select(self, rows: Rows) -> ImageList:
        """The images at ``rows``, in that order."""
        return replace(self, paths=tuple(self.paths[row] for row in rows.tolist()), labels=self.labels[rows])

    def digest(self) -> str:
        """A hash of the images' paths below the root and their sizes in bytes, without root and labels."""
        sizes = [_size(self.file(row)) for row in range(len(self))]
        return digest(json.dumps([self.paths, sizes]))


@dataclass(frozen=True)
class ImageSplit:
    """All images of a data set, split by use.

    Attributes:
        images: images of all parts. Images without a label in ``images.names`` have ``NO_LABEL`` and are in no part.
        held_out: (H,) int32 labels, ascending, that are excluded from training.
        rows: use -> ascending rows of ``images``. ``train``, ``valid`` and ``test`` are of the other labels;
            ``valid_held_out`` are all images of held-out labels outside the test part, ``test_held_out`` those in it.
    """

    images: ImageList
    held_out: NDArray[np.int32]
    rows: Mapping[str, Rows]

    @property
    def seen(self) -> NDArray[np.int32]:
        """(S,) int32 labels of training, ascending."""
        return np.setdiff1d(np.arange(len(self.images.names), dtype=np.int32), self.held_out)


@dataclass(frozen=True)
class ImageParts:
    """The images of a data set by part.

    Attributes:
        images: in the order on disk, independent of the validation split; ``names`` in alphabetical order.
        rows: part -> rows of ``images``: ``train``, ``valid`` and, if present, ``test``.
    """

    images: ImageList
    rows: Mapping[str, Rows]

    def split(self, options: ImageOptions, names: Sequence[str] | None = None) -> ImageSplit:
        """Separates the held-out labels.

        Args:
            names: the labels to use, for example those with a vector, in the order of their new ids; None for all.
                Images of other labels are left out.

        Raises:
            UserError: a held-out label does not exist, or no label or image is left for training.
        """
        images = self.images if names is None else _renumbered(self.images, names)
        held_out = held_out_labels(options, images.names)
        is_held_out = np.isin(images.labels, held_out)
        is_seen = (images.labels != NO_LABEL) & ~is_held_out
        rows = {part: rows[is_seen[rows]] for part, rows in self.rows.items()}
        not_test = np.concatenate([rows for part, rows in self.rows.items() if part != "test"])
        rows["valid_held_out"] = np.sort(not_test[is_held_out[not_test]])
        if "test" in self.rows:
            rows["test_held_out"] = self.rows["test"][is_held_out[self.rows["test"]]]
        if not len(rows["train"]):
            raise UserError(f"No image of '{options.name}' is left for training: see data.held_out.")
        return ImageSplit(images, held_out, rows)


def find_images(options: ImageOptions) -> ImageParts:
    """Lists the images of all parts. Without a validation part, a fraction of the training part is used for it.

    Raises:
        UserError: a folder or file is missing, contains no image, or does not have the layout of the options.
    """
    root = Path(options.root or "")
    if not root.is_dir():
        raise UserError(f"data.root is {root}, but there is no such folder.")
    parts = {part: _limited(items, options) for part, items in _part_items(root, options).items()}
    items = list(chain.from_iterable(parts.values()))
    images = ImageList.of(root, [path for path, _ in items], [label for _, label in items])
    ends = np.cumsum([0, *map(len, parts.values())])
    rows = {part: np.arange(ends[index], ends[index + 1]) for index, part in enumerate(parts)}
    if "valid" not in rows:
        rows["train"], rows["valid"] = _set_aside(images, rows["train"], options)
    return ImageParts(images, rows)


def list_folder(root: Path) -> ImageList:
    """Lists all images below a folder. An image's label is the first folder on its path, if any.

    Raises:
        UserError: the folder does not exist or contains no image.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: give a folder of images.")
    paths = _image_paths(root, root)
    if not paths:
        raise UserError(f"{root} contains no image (a file that ends in {', '.join(sorted(SUFFIXES))}).")
    return ImageList.of(root, paths, [path.partition("/")[0] if "/" in path else "" for path in paths])


def held_out_labels(options: ImageOptions, names: Sequence[str]) -> NDArray[np.int32]:
    """(H,) int32 indices into ``names``, ascending, of the labels that are excluded from training.

    If ``options.held_out`` is a number, that many labels are chosen by a hash of ``options.seed`` and the label name,
    so the choice does not depend on their order.

    Raises:
        UserError: a label is not in ``names``, or none would be left for training.
    """
    chosen = options.held_out
    if isinstance(chosen, int):
        chosen = sorted(names, key=lambda name: _hash(options.seed, name))[:chosen]
    elif isinstance(chosen, str):
        chosen = _lines(Path(chosen))
    chosen = list(dict.fromkeys(chosen or ()))
    if unknown := [label for label in chosen if label not in names]:
        nearest = {label: difflib.get_close_matches(label, names, n=1) for label in unknown}
        hints = {label: f"; the nearest is '{labels[0]}'" if labels else "" for label, labels in nearest.items()}
        raise UserError(*(f"data.held_out: there is no label '{label}'{hints[label]}." for label in unknown))
    if len(chosen) >= len(names):
        raise UserError(f"data.held_out is all {len(names)} labels, but some must be left for training.")
    label_ids = {name: label_id for label_id, name in enumerate(names)}
    return np.array(sorted(label_ids[label] for label in chosen), np.int32)


def seen_and_held_out(options: ImageOptions, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The labels for training, and the held-out labels for evaluation, in the order of ``names``.

    With ``options.fold``, the held-out labels are left out entirely, and a fifth of the other labels, drawn by the
    fold's number, are held out instead: for tuning without using the held-out labels.

    Raises:
        UserError: see ``held_out_labels``.
    """
    held_out = [names[index] for index in held_out_labels(options, names)]
    unseen = set(held_out)
    seen = [name for name in names if name not in unseen]
    if options.fold is None:
        return seen, held_out
    order = np.random.default_rng([options.seed, options.fold]).permutation(len(seen))
    chosen = set(order[: max(1, len(seen) // 5)].tolist())
    held_out = [name for index, name in enumerate(seen) if index in chosen]
    return [name for index, name in enumerate(seen) if index not in chosen], held_out


def _part_items(root: Path, options: ImageOptions) -> dict[str, list[Item]]:
    if options.layout == "csv":
        named = {part: getattr(options, part) for part in PARTS}
        return {part: list(_csv_items(root, name, options)) for part, name in named.items() if name}
    folders = _part_folders(root, options)
    return {part: _folder_items(root, folder, options.layout) for part, folder in folders.items()}


def _part_folders(root: Path, options: ImageOptions) -> dict[str, Path]:
    if options.layout == "folder" and not options.train:
        return {"train": root}
    part_names = {part: getattr(options, part) for part in PARTS}
    if options.layout != "folder":
        part_names["train"] = part_names["train"] or "train"
        # Both names are common; the original archive uses `val`.
        part_names["valid"] = part_names["valid"] or next(
            (name for name in ("valid", "val") if (root / name).is_dir()), None
        )
    folders = {part: root / name for part, name in part_names.items() if name}
    if missing := [part for part, folder in folders.items() if not folder.is_dir()]:
        raise UserError(*(f"data.{part} is {folders[part]}, but there is no such folder." for part in missing))
    return folders


def _folder_items(root: Path, folder: Path, layout: str) -> list[Item]:
    depth = len(folder.relative_to(root).parts)
    paths = [(path, PurePosixPath(path).parts) for path in _image_paths(root, folder)]
    items = [(path, parts[depth]) for path, parts in paths if len(parts) > depth + 1]
    if not items:
        content = "images but no folders" if paths else "no image"
        raise UserError(f"{folder} contains {content}: each label needs a folder of its name with its images.")
    other_folders = sorted({label for _, label in items if not re.fullmatch(r"n\d{8}", label)})
    if layout == "imagenet" and other_folders:
        raise UserError(
            f"{folder} contains the folder '{other_folders[0]}', but data.layout=imagenet needs folders named by "
            "synset, such as n02084071: set data.layout=folder, with data.train and data.valid."
        )
    return items


def _image_paths(root: Path, folder: Path) -> list[str]:
    """Paths below the root of all images in a folder and its subfolders, sorted; hidden files are ignored.

    Symbolic links are followed, but each folder is visited once: at its real path if that is below ``folder``, else
    through the first link to it.
    """
    visited: set[str] = set()
    images, links = _walk(str(folder), visited)
    while links:
        link = links.pop(0)
        if os.path.realpath(link) not in visited:
            linked_images, further_links = _walk(link, visited)
            images += linked_images
            links = sorted([*links, *further_links])
    return sorted((Path(path).relative_to(root).as_posix() for path in images), key=lambda path: path.split("/"))


def _walk(folder: str, visited: set[str]) -> tuple[list[str], list[str]]:
    """Images of a folder and of the real folders below it, and the symbolic links to folders in them."""
    visited.add(os.path.realpath(folder))
    images: list[str] = []
    links: list[str] = []
    with os.scandir(folder) as entries:
        visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in visible:
        if entry.is_dir(follow_symlinks=False):
            if os.path.realpath(entry.path) not in visited:
                more_images, further_links = _walk(entry.path, visited)
                images += more_images
                links += further_links
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
            "names of the path column and the label column."
        )
    yield from _csv_rows(root, file, rows, header, options)


def _csv_rows(
    root: Path, file: Path, rows: Iterator[tuple[int, list[str]]], header: list[str], options: ImageOptions
) -> Iterator[Item]:
    columns = [header.index(column) for column in options.columns]
    count = 0
    for count, (line, row) in enumerate(_whole_rows(file, rows, len(header), options.on_bad), 1):  # noqa: B007
        path, label = (row[column] for column in columns)
        if not path or not label:
            raise UserError(f"{file}, line {line}: the path or the label is empty.")
        if not (root / path).is_file():
            raise UserError(f"{file}, line {line}: there is no file {root / path}.")
        yield Path(path).as_posix(), label
    if not count:
        raise UserError(f"{file} lists no image.")


def _whole_rows(
    file: Path, rows: Iterator[tuple[int, list[str]]], width: int, on_bad: str
) -> Iterator[tuple[int, list[str]]]:
    """Yields the non-blank rows with one field per column. on_bad: see ``data.on_bad``."""
    skipped = 0
    for line, row in rows:
        if len(row) == width or (row and on_bad == CUT):
            yield line, row + [""] * (width - len(row))
        elif row and on_bad == SKIP:
            skipped += 1
        elif row:
            raise UserError(
                f"{file}, line {line} has {len(row)} field{'s'[: len(row) != 1]}, but must have {width} like its first "
                "line: fix it, or skip such rows with data.on_bad=skip."
            )
    if skipped:
        log.warning("%s: %d rows with another number of fields are skipped (data.on_bad=skip).", file, skipped)


def _limited(items: list[Item], options: ImageOptions) -> list[Item]:
    """At most ``options.limit`` items per label, chosen by a hash of their paths; larger limits include them, too."""
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
    """Moves a fraction of each label's images to validation, chosen by a hash of the path; at least one, never all."""
    chosen: list[int] = []
    for label in np.unique(images.labels[train]):
        rows = train[images.labels[train] == label].tolist()
        count = min(max(1, round(options.valid_fraction * len(rows))), len(rows) - 1)
        chosen += sorted(rows, key=lambda row: _hash(options.seed, images.paths[row]))[:count]
    if not chosen:
        raise UserError("No label has two images, so none can be used for validation: set data.valid.")
    return np.setdiff1d(train, chosen), np.array(sorted(chosen), np.int64)


def _renumbered(images: ImageList, names: Sequence[str]) -> ImageList:
    label_ids: dict[Any, int] = {name: label_id for label_id, name in enumerate(names)}
    table = np.array([label_ids.get(name, NO_LABEL) for name in images.names], np.int32)
    labels = np.where(images.labels == NO_LABEL, np.int32(NO_LABEL), table[images.labels])
    return replace(images, labels=labels, names=tuple(names))


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
        return -1
