"""An index of images, saved as a folder and bound to the model that embedded the images."""

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
from seqvise.images.listing import NO_LABEL, ImageList
from seqvise.retrieval.indexes.base import Index, find_kind
from seqvise.retrieval.indexes.exact import ExactIndex
from seqvise.retrieval.indexes.nearest import Rows
from seqvise.retrieval.indexes.recall import StoredQueries, tuned_recall
from seqvise.retrieval.options import EXACT, KINDS, GraphOptions, chosen_kind, index_problems

log = logging.getLogger(__name__)
FORMAT = 1
CHECK = "check"
"""Manifest key of a graph's stored queries; earlier revisions have none."""
MANIFEST, VECTORS, IMAGES = "manifest.json", "vectors.npy", "images.json"
COLUMNS = {"paths": "path", "labels": "label", "sizes": "size", "changed": "changed"}
"""Column of the file of images -> attribute of an image."""


@dataclass(frozen=True)
class IndexedImage:
    """An image of an index.

    Attributes:
        path: path below the index's root, with slashes.
        label: the label's name; empty if it has none.
        size: file size in bytes.
        changed: modification time of the file, in nanoseconds.
    """

    path: str
    label: str = ""
    size: int = 0
    changed: int = 0


@dataclass(frozen=True)
class Binding:
    """The model that vectors belong to; vectors of different models are not comparable.

    Attributes:
        model: the hash of everything that determines an image's vector.
        policy: how labels get their vectors.
        run: the run directory, for messages.
    """

    model: str
    policy: str
    run: str


@dataclass(frozen=True, eq=False)
class ImageIndex:
    """Images and their vectors.

    Attributes:
        images: image id -> image, in the order of the index's ids.
        kind: kind of the index: ``exact``, ``nmslib``, ``faiss``, or the dotted path of the user's own class.
        recall: kind of queries -> recall@10; empty for an exact index.
    """

    root: Path
    images: Mapping[int, IndexedImage]
    index: Index
    kind: str
    binding: Binding
    recall: Mapping[str, float] = field(default_factory=dict)

    def file(self, image: int) -> Path:
        """The path of the image with this id."""
        return self.root / self.images[image].path

    def save(self, folder: Path) -> None:
        """Writes the index as a folder; replaces an existing index.

        Raises:
            UserError: the folder exists and is not an index.
        """
        with _replacing_folder(folder) as temporary:
            np.save(temporary / VECTORS, self.index.vectors)
            (temporary / IMAGES).write_text(json.dumps(self._columns()) + "\n", encoding="ascii")
            self.index.save(temporary)
            manifest = self._manifest({path.name: digest_file(path) for path in sorted(temporary.iterdir())})
            (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="ascii")

    @classmethod
    def load(
        cls, folder: Path, binding: Binding, root: Path | None = None, threads: int = 0, trust: bool = False
    ) -> Self:
        """Loads an index with memory-mapped vectors, and checks that its graph answers as when it was saved.

        An empty graph, as earlier revisions saved it, is rebuilt from the vectors and saved if possible.

        Args:
            folder: see ``save``.
            binding: the model that will search the index.
            root: current folder of the images; None for the recorded one.
            threads: threads for a search with many queries; 0 for one per CPU core.
            trust: import the index's class if it is not one of seqvise.

        Raises:
            UserError: the index is incomplete or of another model, or the images do not exist.
        """
        manifest = read_manifest(folder)
        exact = cls._read(folder, manifest, binding, _image_root(folder, Path(manifest["root"]), root))
        kind, vectors, ids = manifest["kind"], exact.index.vectors, exact.index.ids
        if messages := list(index_problems(kind)):
            raise UserError(*(f"{folder}: {message}" for message in messages))
        if kind == EXACT:
            return exact
        if kind not in KINDS and not trust:
            raise UserError(
                f"index={folder} is of kind '{kind}', a class outside of seqvise, whose code would run: read it, and "
                "add trust=true if you trust whoever gave you the index."
            )
        index = find_kind(kind).load(vectors, ids, folder, manifest["width"], threads)
        if not index.points and CHECK not in manifest:
            return exact._rebuilt(folder, manifest, threads)
        if message := _graph_damage(index, manifest):
            raise _damaged(folder, message)
        return replace(exact, index=index, kind=kind, recall=manifest["recall"])

    @classmethod
    def load_vectors(cls, folder: Path, binding: Binding) -> Self:
        """Loads images and vectors of any kind of index as an exact index, without its graph; see ``load``."""
        return cls._read(folder, read_manifest(folder), binding, folder)

    @classmethod
    def _read(cls, folder: Path, manifest: Mapping[str, Any], binding: Binding, root: Path) -> Self:
        _check_binding(folder, manifest, binding)
        for damage in _file_damages(folder, manifest["files"]):
            raise _damaged(folder, damage)
        columns = json.loads((folder / IMAGES).read_text(encoding="ascii"))
        vectors = np.asarray(np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False))
        rows = zip(*(columns[name] for name in COLUMNS), strict=True)
        images = {image: IndexedImage(*row) for image, row in zip(columns["ids"], rows, strict=True)}
        index = ExactIndex(vectors, np.array(columns["ids"], np.int64))
        return cls(root, images, index, EXACT, Binding(**manifest["binding"]))

    def _rebuilt(self, folder: Path, manifest: Mapping[str, Any], threads: int) -> Self:
        """This index with a new graph instead of an empty one; saved if the folder is writable."""
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
        columns = {name: [getattr(image, attribute) for image in images] for name, attribute in COLUMNS.items()}
        return {"ids": list(self.images), **columns}

    def _manifest(self, files: Mapping[str, str]) -> dict[str, Any]:
        manifest = {
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
            manifest[CHECK] = StoredQueries.of(self.index).as_json()
        return {**manifest, "hash": _hash(manifest)}


def is_index(folder: Path) -> bool:
    """Whether the folder contains the files of ``ImageIndex.save``."""
    return (folder / MANIFEST).is_file() and (folder / IMAGES).is_file()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads the manifest of an index.

    Raises:
        UserError: the manifest is missing, or differs from what was written.
    """
    if not folder.is_dir():
        raise UserError(f"index={folder}: there is no such folder.")
    if not (folder / MANIFEST).is_file():
        raise UserError(f"index={folder} is not an index: it has no {MANIFEST}.")
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
    """Yields a message, without its full stop, for each damaged file of an index."""
    try:
        files: dict[str, str] = read_manifest(folder)["files"]
    except UserError:
        yield f"{MANIFEST} differs from what was written"
        return
    yield from _file_damages(folder, files)


def _file_damages(folder: Path, checksums: Mapping[str, str]) -> Iterator[str]:
    for name, checksum in checksums.items():
        if not (folder / name).is_file():
            yield f"{name} is missing"
        elif digest_file(folder / name) != checksum:
            yield f"{name} differs from what was written"


def _check_binding(folder: Path, manifest: Mapping[str, Any], binding: Binding) -> None:
    recorded = Binding(**manifest["binding"])
    if recorded.model != binding.model:
        raise UserError(
            f"index={folder} was made by another model (of {recorded.run}, {recorded.model}; here it is "
            f"{binding.model}): make one with `seqvise index run={binding.run} images={manifest['root']}`."
        )
    if recorded.policy != binding.policy:
        raise UserError(
            f"index={folder} was made with labels by the policy '{recorded.policy}', but {binding.run} has "
            f"'{binding.policy}': make it again with `seqvise index`."
        )


def _image_root(folder: Path, recorded: Path, override: Path | None) -> Path:
    if override is not None and not override.is_dir():
        raise UserError(f"images={override}: there is no such folder.")
    if override is None and not recorded.is_dir():
        raise UserError(
            f"The images of index={folder} were in {recorded}, which does not exist: set images= to the folder that "
            "contains them now."
        )
    return override or recorded


def _graph_damage(index: Index, manifest: Mapping[str, Any]) -> str:
    """The reason why a loaded graph cannot be searched; empty if it can."""
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
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """Like ``atomic_folder``, but replaces an existing index."""
    if folder.exists() and not is_index(folder):
        raise UserError(f"output={folder} exists and is not an index: give the name of another folder.")
    new_folder, old_folder = (folder.with_name(f".{folder.name}.{name}") for name in ("new", "old"))
    for path in (new_folder, old_folder):
        shutil.rmtree(path, ignore_errors=True)
    with atomic_folder(new_folder) as temporary:
        yield temporary
    if folder.exists():
        folder.rename(old_folder)
    new_folder.rename(folder)
    shutil.rmtree(old_folder, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class Embedded:
    """Vectors of the readable images.

    Attributes:
        vectors: (N, D) unit vectors.
        rows: (N,) int64 row of each vector's image, ascending.
        faults: a message for each unreadable image.
    """

    vectors: Rows
    rows: np.ndarray
    faults: tuple[str, ...] = ()


Embed = Callable[[ImageList], Embedded]


@dataclass(frozen=True)
class Changes:
    """Numbers of added, removed and kept images of an updated index, and messages about unreadable images."""

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
    """Builds an index of images.

    Args:
        embed: computes vectors of images.
        binding: the model of ``embed``.
        kind: ``exact``, ``nmslib``, ``faiss``, a dotted path, or ``auto`` to choose by the number of images.
        old: an index of the same model, whose vectors are reused for unchanged images.
        words: (W, D) vectors of words; recall is measured with these and with images as queries.
        options: graph options of an approximate index.

    Raises:
        UserError: no image could be read.
    """
    listed = _entries(images)
    kept = {
        image_id: image for image_id, image in (old.images.items() if old else ()) if listed.get(image.path) == image
    }
    kept_paths = {image.path for image in kept.values()}
    new_images = images.select(
        np.array([row for row, path in enumerate(images.paths) if path not in kept_paths], np.int64)
    )
    embedded = embed(new_images) if len(new_images) else None
    faults = embedded.faults if embedded else ()
    exact = _exact_index(old, set(kept), embedded)
    entries = dict(kept)
    if embedded is not None:
        new_entries = [listed[new_images.paths[row]] for row in embedded.rows.tolist()]
        entries |= zip(exact.add(embedded.vectors).tolist(), new_entries, strict=True)
    if not entries:
        raise UserError(f"None of the {len(images)} images in {images.root} can be read: {faults[0]}")
    kind, options = chosen_kind(kind, len(exact)), options or GraphOptions()
    index: Index = exact if kind == EXACT else find_kind(kind).build(exact.vectors, exact.ids, options)
    recall = tuned_recall(index, options, words) if kind != EXACT and index.width else {}
    return ImageIndex(images.root, entries, index, kind, binding, recall), Changes(
        len(entries) - len(kept), len(old.images) - len(kept) if old else 0, len(kept), faults
    )


def with_folder_labels(images: ImageList, names: Sequence[str]) -> ImageList:
    """Labels images by their folders: by the first folder on an image's path that is in ``names``.

    If no folder is in ``names``, the label is the first folder.
    """
    label_set = frozenset(names)
    return ImageList.of(images.root, images.paths, [_folder_label(path, label_set) for path in images.paths])


def _folder_label(path: str, label_set: frozenset[str]) -> str:
    folders = path.split("/")[:-1]
    return next((name for name in folders if name in label_set), folders[0] if folders else "")


def _entries(images: ImageList) -> dict[str, IndexedImage]:
    names = {NO_LABEL: "", **dict(enumerate(images.names))}
    entries = {}
    for path, label in zip(images.paths, images.labels.tolist(), strict=True):
        status = (images.root / path).stat()
        entries[path] = IndexedImage(path, names[label], status.st_size, status.st_mtime_ns)
    return entries


def _exact_index(old: ImageIndex | None, kept: set[int], embedded: Embedded | None) -> ExactIndex:
    if old is None:
        dim = embedded.vectors.shape[1] if embedded else 0
        return ExactIndex(np.empty((0, dim), np.float32), np.empty(0, np.int64))
    index = ExactIndex(old.index.vectors, old.index.ids)
    index.remove([image_id for image_id in old.images if image_id not in kept])
    return index
