"""An index of images in a folder of its own, bound to the model that placed the images."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from seqvise.errors import UserError
from seqvise.files import atomic_folder, digest, digest_file, locked
from seqvise.images.listing import NONE, ImageList
from seqvise.retrieval.indexes.base import Index, find_kind
from seqvise.retrieval.indexes.exact import ExactIndex
from seqvise.retrieval.indexes.nearest import Rows
from seqvise.retrieval.indexes.recall import StoredQueries, tuned_recall
from seqvise.retrieval.options import EXACT, GraphOptions, chosen_kind, index_problems

log = logging.getLogger(__name__)
FORMAT = 1
CHECK = "check"
"""The stored queries of a graph in the manifest; earlier revisions wrote none."""
MANIFEST, VECTORS, IMAGES = "manifest.json", "vectors.npy", "images.json"
COLUMNS = ("paths", "labels", "sizes", "changed")


@dataclass(frozen=True)
class IndexedImage:
    """An image of an index.

    Attributes:
        path: below the index's root, with slashes.
        label: the name of its label, empty where it has none.
        size: of the file, in bytes.
        changed: when the file was, in nanoseconds.
    """

    path: str
    label: str = ""
    size: int = 0
    changed: int = 0


@dataclass(frozen=True)
class Binding:
    """What vectors belong to: those of another model lie elsewhere.

    Attributes:
        model: the hash of all that makes a vector of an image.
        policy: how labels get their vectors.
        run: the run directory, for a person to read.
    """

    model: str
    policy: str
    run: str


@dataclass(frozen=True, eq=False)
class ImageIndex:
    """Images and their vectors.

    Attributes:
        root: the folder that the paths are below.
        images: by id, in the order of the index's ids.
        index: of their vectors.
        kind: of the index: ``exact``, ``nmslib`` or ``faiss``.
        binding: the model.
        recall: recall@10 by what it was measured with; empty where the index is exact.
    """

    root: Path
    images: Mapping[int, IndexedImage]
    index: Index
    kind: str
    binding: Binding
    recall: Mapping[str, float] = field(default_factory=dict)

    def file(self, image: int) -> Path:
        """Where the image of that id lies."""
        return self.root / self.images[image].path

    def save(self, folder: Path) -> None:
        """Writes all of it as a folder, in the place of an index that is there.

        Raises:
            UserError: something else is there.
        """
        with _replaced(folder) as temporary:
            np.save(temporary / VECTORS, self.index.vectors)
            (temporary / IMAGES).write_text(json.dumps(self._columns()) + "\n", encoding="ascii")
            self.index.save(temporary)
            manifest = self._manifest({path.name: digest_file(path) for path in sorted(temporary.iterdir())})
            (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="ascii")

    @classmethod
    def load(cls, folder: Path, binding: Binding, root: Path | None = None, threads: int = 0) -> Self:
        """Reads an index back, its vectors mapped, and checks that its graph answers as when it was saved.

        The empty graph that an earlier revision saved is rebuilt from the vectors, and saved where it can be.

        Args:
            folder: see ``save``.
            binding: of the model that will ask.
            root: where the images are now; None: where they were.
            threads: of a search for many queries; 0: one a processor.

        Raises:
            UserError: the folder holds no whole index, or one of another model, or the images are gone.
        """
        manifest = read_manifest(folder)
        table = cls._read(folder, manifest, binding, _found_root(folder, Path(manifest["root"]), root))
        kind, vectors, ids = manifest["kind"], table.index.vectors, table.index.ids
        if problems := list(index_problems(kind)):
            raise UserError(*(f"{folder}: {problem}" for problem in problems))
        if kind == EXACT:
            return table
        index = find_kind(kind).load(vectors, ids, folder, manifest["width"], threads)
        if not index.points and CHECK not in manifest:
            return table._rebuilt(folder, manifest, threads)
        if problem := _graph_problem(index, manifest):
            raise _damaged(folder, problem)
        return replace(table, index=index, kind=kind, recall=manifest["recall"])

    @classmethod
    def load_vectors(cls, folder: Path, binding: Binding) -> Self:
        """Reads images and vectors of any kind of index as an exact one, without its graph; see ``load``."""
        return cls._read(folder, read_manifest(folder), binding, folder)

    @classmethod
    def _read(cls, folder: Path, manifest: Mapping[str, Any], binding: Binding, root: Path) -> Self:
        _check_binding(folder, manifest, binding)
        _check_files(folder, manifest["files"])
        columns = json.loads((folder / IMAGES).read_text(encoding="ascii"))
        vectors = np.asarray(np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False))
        rows = zip(*(columns[name] for name in COLUMNS), strict=True)
        images = {image: IndexedImage(*row) for image, row in zip(columns["ids"], rows, strict=True)}
        index = ExactIndex(vectors, np.array(columns["ids"], np.int64))
        return cls(root, images, index, EXACT, Binding(**manifest["binding"]))

    def _rebuilt(self, folder: Path, manifest: Mapping[str, Any], threads: int) -> Self:
        """This index with a new graph in the place of an empty one, saved where the folder can be written."""
        options = GraphOptions(threads=threads)
        log.warning(
            "index=%s has an empty graph, as earlier revisions saved it: it is rebuilt from its %s vectors.",
            folder,
            f"{len(self.index):,}",
        )
        index = find_kind(manifest["kind"]).build(self.index.vectors, self.index.ids, options)
        rebuilt = replace(self, index=index, kind=manifest["kind"], recall=tuned_recall(index, options))
        try:
            with locked(folder.with_name(f".{folder.name}.lock")):
                replace(rebuilt, root=Path(manifest["root"])).save(folder)
        except OSError as error:
            log.warning(
                "index=%s: the rebuilt graph cannot be saved (%s), so the next search rebuilds it.", folder, error
            )
        return rebuilt

    def _columns(self) -> dict[str, list[Any]]:
        images = self.images.values()
        return {
            "ids": list(self.images),
            "paths": [image.path for image in images],
            "labels": [image.label for image in images],
            "sizes": [image.size for image in images],
            "changed": [image.changed for image in images],
        }

    def _manifest(self, files: Mapping[str, str]) -> dict[str, Any]:
        told = {
            "format": FORMAT,
            "kind": self.kind,
            "count": len(self.index),
            "dim": int(self.index.vectors.shape[1]),
            "width": self.index.width,
            "recall": dict(self.recall),
            "root": str(self.root.absolute()),
            "binding": vars(replace(self.binding)),
            "files": dict(files),
        }
        if self.kind != EXACT:
            told[CHECK] = StoredQueries.of(self.index).as_json()
        return {**told, "hash": _hash(told)}


def is_index(folder: Path) -> bool:
    """Whether the folder looks like one that ``ImageIndex.save`` wrote."""
    return (folder / MANIFEST).is_file() and (folder / IMAGES).is_file()


def read_manifest(folder: Path) -> dict[str, Any]:
    """What an index says of itself.

    Raises:
        UserError: there is none, or it differs from what was written.
    """
    if not folder.is_dir():
        raise UserError(f"index={folder}: there is no such folder.")
    if not (folder / MANIFEST).is_file():
        raise UserError(f"index={folder} is no index: it has no {MANIFEST}.")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="ascii"))
        if manifest["format"] != FORMAT:
            raise _damaged(folder, f"its format is {manifest['format']}, not {FORMAT}")
        if manifest.pop("hash") != _hash(manifest):
            raise _damaged(folder, f"{MANIFEST} differs from what was written")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read: {type(error).__name__}") from None
    return cast(dict[str, Any], manifest)


def index_damages(folder: Path) -> Iterator[str]:
    """A sentence without its full stop for each damaged file of an index."""
    try:
        files: dict[str, str] = read_manifest(folder)["files"]
    except UserError:
        yield f"{MANIFEST} differs from what was written"
        return
    for name, checksum in files.items():
        if not (folder / name).is_file():
            yield f"{name} is missing"
        elif digest_file(folder / name) != checksum:
            yield f"{name} differs from what was written"


def _check_binding(folder: Path, manifest: Mapping[str, Any], binding: Binding) -> None:
    theirs = Binding(**manifest["binding"])
    if theirs.model != binding.model:
        raise UserError(
            f"index={folder} was made by another model (of {theirs.run}, {theirs.model}; here it is {binding.model}): "
            f"make one with `seqvise index run={binding.run} images={manifest['root']}`."
        )
    if theirs.policy != binding.policy:
        raise UserError(
            f"index={folder} was made with labels by the policy '{theirs.policy}', but {binding.run} has "
            f"'{binding.policy}': make it again with `seqvise index`."
        )


def _found_root(folder: Path, told: Path, given: Path | None) -> Path:
    if given is not None and not given.is_dir():
        raise UserError(f"images={given}: there is no such folder.")
    if given is None and not told.is_dir():
        raise UserError(
            f"The images of index={folder} were in {told}, which is not there any more: give images= the folder that "
            "they are in now."
        )
    return given or told


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, told in files.items():
        if not (folder / name).is_file():
            raise _damaged(folder, f"{name} is missing")
        if digest_file(folder / name) != told:
            raise _damaged(folder, f"{name} differs from what was written")


def _graph_problem(index: Index, manifest: Mapping[str, Any]) -> str:
    """Why a loaded graph cannot be searched, empty where it can."""
    if index.points != len(index):
        return f"its graph holds {index.points:,} of {len(index):,} vectors"
    return StoredQueries.from_json(manifest[CHECK]).problem(index) if CHECK in manifest else ""


def _damaged(folder: Path, reason: str) -> UserError:
    return UserError(
        f"index={folder} is damaged ({reason}): delete that folder and make it again with `seqvise index`."
    )


def _hash(manifest: Mapping[str, Any]) -> str:
    return digest(json.dumps(manifest, sort_keys=True), 32)


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """As ``atomic_folder``, but the new folder takes the place of an index that is there."""
    if folder.exists() and not is_index(folder):
        raise UserError(f"output={folder} is there and is no index: give the name of another folder.")
    fresh, old = (folder.with_name(f".{folder.name}.{name}") for name in ("new", "old"))
    for path in (fresh, old):
        shutil.rmtree(path, ignore_errors=True)
    with atomic_folder(fresh) as temporary:
        yield temporary
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


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
