"""``seqvise index``: builds a search index of the images in a folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import add_working_directory, plain_command
from seqvise.errors import UserError
from seqvise.files import digest
from seqvise.outputs import unwritable
from seqvise.plain_text import printable
from seqvise.retrieval.options import AUTO, index_problems

if TYPE_CHECKING:
    from seqvise.images.listing import ImageList
    from seqvise.inference.embedder import Embedder
    from seqvise.retrieval.image_index import Changes, Embedded, ImageIndex

log = logging.getLogger(__name__)
INDEXES = "indexes"
"""The folder of a run's indexes, in its run directory."""
QUERIES = 500
"""Words used as queries to measure the recall of an approximate index."""
MAX_SHOWN = 20
"""Maximum number of unreadable images that are logged by name."""


@dataclass(frozen=True)
class IndexOptions:
    """Options of `seqvise index`."""

    run: Annotated[Path, "the run directory whose model embeds the images"]
    images: Annotated[Path, "a folder of images; its subfolders are the labels"]
    index: Annotated[str, "auto (exact below 100,000 images) | exact | nmslib | faiss | your.own.Class"] = AUTO
    output: Annotated[Path | None, "the folder of the index; by default in the run's indexes/"] = None
    suspects: Annotated[Path | None, "write an HTML page of images that are probably mislabelled"] = None
    cache: Annotated[Path | None, "the cache folder of image features; by default the run's paths.cache"] = None
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False

    def errors(self) -> Iterator[str]:
        """A message for each invalid value."""
        from seqvise.retrieval.image_index import is_index
        from seqvise.retrieval.render.thumbnails import pillow_problem

        yield from index_problems(self.index)
        if "." in self.index:
            add_working_directory()
            yield from _class_problems(self.index)
        if problem := pillow_problem("images"):
            yield problem
        if self.output is not None and self.output.exists() and not is_index(self.output):
            yield f"output={self.output} exists and is not an index: choose another folder."
        elif self.output is not None and not self.output.exists() and (reason := unwritable(self.output)):
            yield f"output={self.output} cannot be created: {reason}."
        if self.suspects is not None and self.suspects.suffix.lower() not in (".html", ".htm"):
            yield f"suspects={self.suspects} must end in .html."
        elif self.suspects is not None and (reason := unwritable(self.suspects)):
            yield f"suspects={self.suspects} cannot be written: {reason}."

    def folder(self) -> Path:
        """The folder of the index. Image folders with the same name but different paths have different indexes."""
        if self.output is not None:
            return self.output
        images = self.images.resolve()
        return self.run / INDEXES / f"{images.name or 'images'}-{digest(str(images), 6)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise index`` and returns its exit code."""
    return plain_command("index", IndexOptions, index, argv)


def index(options: IndexOptions) -> None:
    """Builds or updates the index, and prints its content and its path.

    Raises:
        UserError: an option is invalid, the run has no image model, or no image can be read.
    """
    from seqvise.images.listing import list_folder

    if messages := list(options.errors()):
        raise UserError(*messages)
    listed = list_folder(options.images)

    from seqvise.inference.embedder import load_embedder

    started = perf_counter()
    embedder = load_embedder(options.run, options.device, options.trust)
    from seqvise.retrieval.image_index import with_folder_labels

    images = with_folder_labels(listed, embedder.labels.names)
    built, changes = _build(options, embedder, images)
    built.save(options.folder())
    if options.suspects is not None:
        write_suspects(options.suspects, embedder, built)
    _report(built, changes, perf_counter() - started)
    print(f"index: {printable(str(options.folder()))}")


def _class_problems(path: str) -> Iterator[str]:
    from seqvise.retrieval.indexes.base import find_kind

    try:
        find_kind(path)
    except UserError as error:
        yield from error.messages


def _build(options: IndexOptions, embedder: Embedder, images: ImageList) -> tuple[ImageIndex, Changes]:
    from seqvise.retrieval.image_index import build_index
    from seqvise.training.image_features import counting_images

    cache = options.cache or embedder.run.cache

    def embed(fresh: ImageList) -> Embedded:
        with counting_images() as progress:
            return embedder.embed_images(fresh, cache, progress)

    existing, words = _existing(options.folder(), embedder), embedder.sample_words(QUERIES)
    return build_index(images, embed, embedder.binding, options.index, existing, words)


def _existing(folder: Path, embedder: Embedder) -> ImageIndex | None:
    """The existing index, if its vectors can be reused."""
    from seqvise.retrieval.image_index import ImageIndex

    if not folder.exists():
        return None
    try:
        return ImageIndex.load_vectors(folder, embedder.binding)
    except UserError as error:
        log.info("The index is built again: %s", error.messages[0])
        return None


def write_suspects(path: Path, embedder: Embedder, images: ImageIndex) -> None:
    """Writes the page of images that are probably mislabelled, and prints their number."""
    from seqvise.retrieval.mislabelled import find_suspects
    from seqvise.retrieval.render.page import write_suspects as write

    labels = embedder.labels.chosen([row for row, name in enumerate(embedder.labels.names) if name in embedder.seen])
    suspects = find_suspects(images, labels.names, labels.vectors)
    write(images, suspects, embedder.titles, path)
    if suspects.unseen:
        counts = ", ".join(f"{label or '(no label)'} ({count:,})" for label, count in suspects.unseen.items())
        log.warning("Not checked, because training did not see their labels: %s.", printable(counts))
    print(f"suspects: {len(suspects.suspects):,} of {suspects.judged:,} images, in {printable(str(path))}")


def _report(index: ImageIndex, changes: Changes, seconds: float) -> None:
    for fault in changes.faults[:MAX_SHOWN]:
        log.warning("unreadable: %s", printable(str(fault)))
    if len(changes.faults) > MAX_SHOWN:
        log.warning("... and %s more", f"{len(changes.faults) - MAX_SHOWN:,}")
    print(f"images: {len(index.images):,} ({_counts(changes)})")
    recall = ", ".join(f"{value:.3f} for {name}" for name, value in index.recall.items())
    print(f"kind: {index.kind}{f', recall@10 {recall}, efSearch {index.index.width}' if recall else ''}")
    print(f"seconds: {seconds:.1f}")


def _counts(changes: Changes) -> str:
    counts = {
        "added": changes.added,
        "removed": changes.removed,
        "unchanged": changes.kept,
        "unreadable": len(changes.faults),
    }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "added")
