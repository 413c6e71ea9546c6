"""``python search.py`` and ``seqvise search``: finds images, labels or classes for words or images."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import plain_command
from seqvise.errors import UserError
from seqvise.outputs import unwritable, write_output
from seqvise.plain_text import printable
from seqvise.retrieval.options import COMBINATIONS, GOALS, IMAGENET, IMAGES, LABELS, WORDNET

if TYPE_CHECKING:
    from seqvise.inference.embedder import Embedder
    from seqvise.retrieval.image_index import ImageIndex
    from seqvise.retrieval.queries import Query
    from seqvise.retrieval.results import Answer

log = logging.getLogger(__name__)
RESULTS = {IMAGES: "images", LABELS: "labels", IMAGENET: "ImageNet classes", WORDNET: "WordNet nouns"}
"""What a search returns, as the heading of its page."""
ENDINGS = {"sheet": (".png",), "page": (".html", ".htm"), "json": (".json",)}


@dataclass(frozen=True)
class SearchOptions:
    """Options of `seqvise search`."""

    run: Annotated[Path, "the run directory whose model and word vectors are used"]
    query: Annotated[tuple[str, ...], 'words, e.g. "sail boat" or "engine + boat - wing"; can be repeated'] = ()
    image: Annotated[tuple[Path, ...], "an image file, to find similar images or its classes; can be repeated"] = ()
    to: Annotated[str, "images | labels | imagenet (its 1,000 classes) | wordnet (all nouns)"] = IMAGES
    labels: Annotated[str | None, "with to=labels: comma-separated names, or a file with one name per line"] = None
    k: Annotated[int, "maximum number of results for each query"] = 10
    index: Annotated[Path | None, "the folder of the index; by default the only one in the run's indexes/"] = None
    images: Annotated[Path | None, "the current folder of the indexed images, if it was moved"] = None
    combine: Annotated[str, "unit: words of a sum have equal weight; raw: word vectors keep their lengths"] = "unit"
    sheet: Annotated[Path | None, "write a contact sheet to this PNG file"] = None
    page: Annotated[Path | None, "write the results, with images, to this HTML file"] = None
    json: Annotated[Path | None, "write the results to this file as one JSON object"] = None
    wordnet: Annotated[Path | None, "the folder of the WordNet files; by default the run's data.wordnet"] = None
    cache: Annotated[Path | None, "the cache folder; by default the run's paths.cache"] = None
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False

    def errors(self) -> Iterator[str]:
        """A message for each invalid value."""
        from seqvise.retrieval.render.thumbnails import pillow_problem

        if not self.query and not self.image:
            yield "query= and image= are both missing: set at least one."
        if self.k < 1:
            yield f"k is {self.k}, but must be at least 1."
        for name, allowed in (("to", GOALS), ("combine", COMBINATIONS)):
            if getattr(self, name) not in allowed:
                yield f"{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        if self.labels is not None and self.to != LABELS:
            yield f"labels= is only for to=labels, but to is '{self.to}': add to=labels, or remove labels=."
        yield from (f"image={path}: there is no such file." for path in self.image if not path.is_file())
        if self.sheet is not None and self.to != IMAGES:
            yield f"sheet= is only for to=images, but to is '{self.to}': use page= instead, or remove sheet=."
        for name in ("image", "sheet", "page"):
            if getattr(self, name) and (problem := pillow_problem(name)):
                yield problem
        yield from self._file_errors()

    def _file_errors(self) -> Iterator[str]:
        for name, endings in ENDINGS.items():
            path = getattr(self, name)
            if path is None:
                continue
            if path.suffix.lower() not in endings:
                yield f"{name}={path} must end in {endings[0]}."
            elif reason := unwritable(path):
                yield f"{name}={path} cannot be written: {reason}."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise search`` and returns its exit code."""
    return plain_command("search", SearchOptions, search, argv)


def search(options: SearchOptions) -> None:
    """Prints the results, and writes the requested files.

    Raises:
        UserError: an option is invalid, a word has no vector, an image cannot be read, the index is missing or belongs
            to another model, or the run is not an image model.
    """
    from seqvise.inference.embedder import load_embedder

    if messages := list(options.errors()):
        raise UserError(*messages)
    embedder = replace(load_embedder(options.run, options.device, options.trust), wordnet=options.wordnet)
    words = _word_queries(options, embedder)
    find = {IMAGES: _images, LABELS: _labels}.get(options.to, _classes)
    _write(options, embedder, find(options, embedder, words))


def _word_queries(options: SearchOptions, embedder: Embedder) -> list[Query]:
    from seqvise.retrieval.queries import word_query

    queries: list[Query] = []
    messages: list[str] = []
    for text in options.query:
        try:
            queries.append(word_query(text, embedder, options.combine))
        except UserError as error:
            messages += error.messages
    if messages:
        raise UserError(*messages)
    return queries


def _image_queries(options: SearchOptions, embedder: Embedder) -> list[Query]:
    from seqvise.retrieval.queries import Query

    if not options.image:
        return []
    vectors = embedder.embed_files(options.image)
    return [Query(str(path), vector, image=path) for path, vector in zip(options.image, vectors, strict=True)]


def _images(options: SearchOptions, embedder: Embedder, words: list[Query]) -> list[Answer]:
    from seqvise.retrieval.results import image_answers

    images = _open_index(options, embedder)
    _warn_if_fewer(options.k, len(images.index), "the index", "images")
    titles = embedder.titles_of(image.label for image in images.images.values())
    queries = [*words, *_image_queries(options, embedder)]
    answers = image_answers(images, queries, options.k, titles, embedder.held_out)
    _check_files(images, answers)
    return answers


def _labels(options: SearchOptions, embedder: Embedder, words: list[Query]) -> list[Answer]:
    from seqvise.inference.label_candidates import label_candidates, read_names

    names = None if options.labels is None else read_names(options.labels)
    candidates = label_candidates(embedder, names)
    _warn_if_fewer(options.k, len(candidates.names), options.to, "names")
    return candidates.answers([*words, *_image_queries(options, embedder)], options.k)


def _classes(options: SearchOptions, embedder: Embedder, words: list[Query]) -> list[Answer]:
    from seqvise.retrieval.classes import class_problems, find_classes

    folder = embedder.wordnet_folder
    if messages := class_problems(options.to, folder, embedder.hypernyms):
        raise UserError(*messages)
    assert folder is not None
    cache = options.cache or embedder.run.cache
    candidates, total, missing = find_classes(
        options.to, folder, embedder.options.policy, embedder.lexicon, cache, embedder.hypernyms
    )
    if missing:
        log.info("%s: %s of %s have no word vector and cannot be found.", options.to, f"{missing:,}", f"{total:,}")
    _warn_if_fewer(options.k, len(candidates.names), options.to, "names")
    candidates = replace(candidates, held_out=embedder.held_out)
    return candidates.answers([*words, *_image_queries(options, embedder)], options.k)


def _open_index(options: SearchOptions, embedder: Embedder) -> ImageIndex:
    from seqvise.retrieval.image_index import ImageIndex

    folder = options.index or _only_index(options.run)
    return ImageIndex.load(folder, embedder.binding, options.images, trust=options.trust)


def _only_index(run: Path) -> Path:
    from seqvise.cli.index import INDEXES
    from seqvise.retrieval.image_index import is_index

    folders = [folder for folder in sorted((run / INDEXES).glob("*")) if is_index(folder)]
    if not folders:
        raise UserError(f"{run} has no image index: build one with `seqvise index run={run} images=FOLDER`.")
    if len(folders) > 1:
        raise UserError(f"{run} has several indexes: set index= to one of {', '.join(map(str, folders))}.")
    return folders[0]


def _warn_if_fewer(k: int, count: int, name: str, unit: str) -> None:
    if k > count:
        log.warning("k is %d, but %s has only %d %s: all are returned.", k, name, count, unit)


def _check_files(images: ImageIndex, answers: Sequence[Answer]) -> None:
    files = {hit.file for answer in answers for hit in answer.hits if hit.file is not None}
    missing = sorted(file for file in files if not file.is_file())
    if missing and len(missing) == len(files):
        raise UserError(
            f"None of the images in the results exists in {images.root} any more, e.g. "
            f"{missing[0].relative_to(images.root)}: set images= to their current folder."
        )
    if missing:
        first = printable(str(missing[0]))
        log.warning("%d of %d images in the results no longer exist, e.g. %s.", len(missing), len(files), first)


def _calibration(embedder: Embedder, answers: Sequence[Answer]) -> str:
    """A sentence about scores that are not cosines; empty if all scores are cosines."""
    if not any(answer.calibrated for answer in answers):
        return ""
    return (
        f"Scores of labels are cosines, minus {embedder.calibration:g} (model.calibration) for labels seen in training."
    )


def _write(options: SearchOptions, embedder: Embedder, answers: list[Answer]) -> None:
    from rich.console import Console

    from seqvise.retrieval.render.page import show

    calibration = _calibration(embedder, answers)
    if calibration:
        log.info("%s", calibration)
    if options.json is not None:
        metadata = {"run": str(options.run), "to": options.to, "combine": options.combine, "k": options.k}
        metadata |= {"calibration": embedder.calibration} if calibration else {}
        content = {**metadata, "answers": [answer.as_json() for answer in answers]}
        write_output(options.json, json.dumps(content, indent=2) + "\n")
    if options.sheet is not None:
        from seqvise.retrieval.render.sheet import write_sheet

        write_sheet(answers, options.sheet)
    if options.page is not None:
        from seqvise.retrieval.render.page import write_page

        about = f"Nearest first, by cosine similarity, with the model of {options.run}. {calibration}"
        write_page(answers, options.page, about.strip(), RESULTS[options.to])
    show(answers, Console(highlight=False, soft_wrap=not sys.stdout.isatty()))
