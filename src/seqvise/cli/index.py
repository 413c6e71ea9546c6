"""``seqvise index``: the images of a folder become searchable by the words of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import words_command
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
"""The folder in a run directory that its indexes are in."""
WORDS = 500
"""Words that an approximate index's recall is measured with."""
SHOWN = 20
"""Unreadable images that are named."""


@dataclass(frozen=True)
class IndexOptions:
    """What `seqvise index` is told."""

    run: Annotated[Path, "the run directory whose model looks at the images"]
    images: Annotated[Path, "a folder of images; the folders in it are their labels"]
    index: Annotated[str, "exact | nmslib | faiss; auto: exact below 100,000 images"] = AUTO
    output: Annotated[Path | None, "the index's folder; by default one in the run's indexes/"] = None
    suspects: Annotated[Path | None, "an HTML file for images that are likely mislabelled"] = None
    cache: Annotated[Path | None, "the folder of features; by default the run's paths.cache"] = None
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    trust: Annotated[bool, "load classes of other packages that the run's config names: they run code"] = False

    def problems(self) -> Iterator[str]:
        """Sentences about values that cannot be right."""
        from seqvise.retrieval.image_index import is_index
        from seqvise.retrieval.render.thumbnails import pillow_problem

        yield from index_problems(self.index)
        if problem := pillow_problem("images"):
            yield problem
        if self.output is not None and self.output.exists() and not is_index(self.output):
            yield f"output={self.output} is there and is no index: give the name of another folder."
        elif self.output is not None and not self.output.exists() and (reason := unwritable(self.output)):
            yield f"output={self.output} cannot be made: {reason}."
        if self.suspects is not None and self.suspects.suffix.lower() not in (".html", ".htm"):
            yield f"suspects={self.suspects} must end in .html."
        elif self.suspects is not None and (reason := unwritable(self.suspects)):
            yield f"suspects={self.suspects} cannot be written: {reason}."

    def folder(self) -> Path:
        """Where the index goes: two folders of one name have two indexes."""
        if self.output is not None:
            return self.output
        images = self.images.resolve()
        return self.run / INDEXES / f"{images.name or 'images'}-{digest(str(images), 6)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Makes an index as the words say and gives the exit code."""
    return words_command("index", IndexOptions, index, argv)


def index(options: IndexOptions) -> None:
    """Makes or brings up to date the index, and prints what it holds and last where it is.

    Raises:
        UserError: a wrong option, no run of images and words, or no image that can be read.
    """
    from seqvise.images.listing import list_folder
    from seqvise.retrieval.image_index import with_folder_labels

    if problems := list(options.problems()):
        raise UserError(*problems)
    listed = list_folder(options.images)

    from seqvise.inference.embedder import load_embedder

    started = perf_counter()
    embedder = load_embedder(options.run, options.device, options.trust)
    images = with_folder_labels(listed, embedder.labels.names)
    found, changes = _built(options, embedder, images)
    found.save(options.folder())
    if options.suspects is not None:
        write_suspects(options.suspects, embedder, found)
    _report(found, changes, perf_counter() - started)
    print(f"index: {printable(str(options.folder()))}")


def _built(options: IndexOptions, embedder: Embedder, images: ImageList) -> tuple[ImageIndex, Changes]:
    from seqvise.retrieval.image_index import build_index
    from seqvise.training.image_features import counting_images

    cache = options.cache or embedder.run.cache

    def embed(fresh: ImageList) -> Embedded:
        with counting_images() as progress:
            return embedder.embed_images(fresh, cache, progress)

    earlier, words = _earlier(options.folder(), embedder), embedder.sample_words(WORDS)
    return build_index(images, embed, embedder.binding, options.index, earlier, words)


def _earlier(folder: Path, embedder: Embedder) -> ImageIndex | None:
    """The index that is there, if its vectors can be used again."""
    from seqvise.retrieval.image_index import ImageIndex

    if not folder.exists():
        return None
    try:
        return ImageIndex.load_vectors(folder, embedder.binding)
    except UserError as error:
        log.info("Made anew: %s", error.messages[0])
        return None


def write_suspects(path: Path, embedder: Embedder, images: ImageIndex) -> None:
    """Writes the page of images that are likely mislabelled, and prints how many there are."""
    from seqvise.retrieval.mislabelled import find_suspects
    from seqvise.retrieval.render.page import write_suspects as write

    labels = embedder.labels.chosen([row for row, name in enumerate(embedder.labels.names) if name in embedder.seen])
    found = find_suspects(images, labels.names, labels.vectors)
    write(images, found, embedder.titles, path)
    if found.unseen:
        counts = ", ".join(f"{label or '(no label)'} ({count:,})" for label, count in found.unseen.items())
        log.warning("Not judged, as training did not see their labels: %s.", printable(counts))
    print(f"suspects: {len(found.suspects):,} of {found.judged:,} images, in {printable(str(path))}")


def _report(found: ImageIndex, changes: Changes, seconds: float) -> None:
    for fault in changes.faults[:SHOWN]:
        log.warning("unreadable: %s", printable(str(fault)))
    if len(changes.faults) > SHOWN:
        log.warning("... and %s more", f"{len(changes.faults) - SHOWN:,}")
    print(f"images: {len(found.images):,} ({_told(changes)})")
    recall = ", ".join(f"{value:.3f} for {name}" for name, value in found.recall.items())
    print(f"kind: {found.kind}{f', recall@10 {recall}, efSearch {found.index.width}' if recall else ''}")
    print(f"seconds: {seconds:.1f}")


def _told(changes: Changes) -> str:
    counts = {
        "added": changes.added,
        "removed": changes.removed,
        "as before": changes.kept,
        "unreadable": len(changes.faults),
    }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "added")
