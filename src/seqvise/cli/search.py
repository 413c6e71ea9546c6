"""``python search.py`` and ``seqvise search``: images for words, images for images, and classes for either."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import words_command
from seqvise.errors import UserError
from seqvise.outputs import unwritable, write_output
from seqvise.plain_text import printable
from seqvise.retrieval.options import COMBINATIONS, GOALS, IMAGES, LABELS

if TYPE_CHECKING:
    from seqvise.inference.embedder import Embedder
    from seqvise.retrieval.image_index import ImageIndex
    from seqvise.retrieval.queries import Query
    from seqvise.retrieval.results import Answer

log = logging.getLogger(__name__)
ENDINGS = {"sheet": (".png",), "page": (".html", ".htm"), "json": (".json",)}


@dataclass(frozen=True)
class SearchOptions:
    """What `seqvise search` is told."""

    run: Annotated[Path, "the run directory whose model and words are used"]
    query: Annotated[tuple[str, ...], 'words, as "engine + boat - wing"; may be given several times'] = ()
    image: Annotated[tuple[Path, ...], "an image file to find the like of; may be given several times"] = ()
    to: Annotated[str, "images | labels | imagenet (its 1,000 classes) | wordnet (all nouns)"] = IMAGES
    labels: Annotated[str | None, "for to=labels, names with commas between, or a file of one per line"] = None
    k: Annotated[int, "answers to each query; all where there are fewer"] = 10
    index: Annotated[Path | None, "the index's folder; by default the only one in the run's indexes/"] = None
    images: Annotated[Path | None, "where the index's images are now, if they were moved"] = None
    combine: Annotated[str, "unit: each word of a sum has the same weight; raw: its vector as it is"] = "unit"
    sheet: Annotated[Path | None, "a PNG file for a contact sheet"] = None
    page: Annotated[Path | None, "an HTML file for the answers, images included"] = None
    json: Annotated[Path | None, "a file for the answers as one JSON object"] = None
    wordnet: Annotated[Path | None, "the folder of WordNet's files; by default the run's data.wordnet"] = None
    cache: Annotated[Path | None, "the folder of what is made once; by default the run's paths.cache"] = None
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    trust: Annotated[bool, "load classes of other packages that the run's config names: they run code"] = False

    def problems(self) -> Iterator[str]:
        """Sentences about values that cannot be right."""
        from seqvise.retrieval.render.thumbnails import pillow_problem

        if not self.query and not self.image:
            yield "query= and image= are both missing: say what is looked for."
        if self.k < 1:
            yield f"k is {self.k}, but must be at least 1."
        for name, allowed in (("to", GOALS), ("combine", COMBINATIONS)):
            if getattr(self, name) not in allowed:
                yield f"{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        if self.labels is not None and self.to != LABELS:
            yield f"labels= names the answers of to=labels, but to is '{self.to}': add to=labels, or leave labels= out."
        yield from (f"image={path}: there is no such file." for path in self.image if not path.is_file())
        if self.sheet is not None and self.to != IMAGES:
            yield "sheet= shows images, which only to=images finds; page= shows words too."
        for name in ("image", "sheet", "page"):
            if getattr(self, name) and (problem := pillow_problem(name)):
                yield problem
        yield from self._problems_of_files()

    def _problems_of_files(self) -> Iterator[str]:
        for name, endings in ENDINGS.items():
            path = getattr(self, name)
            if path is None:
                continue
            if path.suffix.lower() not in endings:
                yield f"{name}={path} must end in {endings[0]}."
            elif reason := unwritable(path):
                yield f"{name}={path} cannot be written: {reason}."


def main(argv: Sequence[str] | None = None) -> int:
    """Searches as the words say and gives the exit code."""
    return words_command("search", SearchOptions, search, argv)


def search(options: SearchOptions) -> None:
    """Prints what is found, and writes what is asked for.

    Raises:
        UserError: a wrong option, a word without a vector, an image that cannot be read, no index or one of another
            model, or a run of another kind.
    """
    from seqvise.inference.embedder import load_embedder

    if problems := list(options.problems()):
        raise UserError(*problems)
    embedder = replace(load_embedder(options.run, options.device, options.trust), wordnet=options.wordnet)
    words = _word_queries(options, embedder)
    find = {IMAGES: _images, LABELS: _labels}.get(options.to, _classes)
    _write(options, embedder, find(options, embedder, words))


def _word_queries(options: SearchOptions, embedder: Embedder) -> list[Query]:
    from seqvise.retrieval.queries import word_query

    queries: list[Query] = []
    problems: list[str] = []
    for text in options.query:
        try:
            queries.append(word_query(text, embedder, options.combine))
        except UserError as error:
            problems += error.messages
    if problems:
        raise UserError(*problems)
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
    _say_fewer(options.k, len(images.index), "the index", "images")
    found = image_answers(images, [*words, *_image_queries(options, embedder)], options.k, embedder.titles)
    _check_there(images, found)
    return found


def _labels(options: SearchOptions, embedder: Embedder, words: list[Query]) -> list[Answer]:
    from seqvise.inference.label_candidates import label_candidates, read_names

    names = None if options.labels is None else read_names(options.labels)
    candidates = label_candidates(embedder, names)
    _say_fewer(options.k, len(candidates.names), options.to, "names")
    return candidates.answers([*words, *_image_queries(options, embedder)], options.k)


def _classes(options: SearchOptions, embedder: Embedder, words: list[Query]) -> list[Answer]:
    from seqvise.retrieval.classes import class_problems, find_classes

    folder = embedder.wordnet_folder
    if problems := class_problems(options.to, folder, embedder.hypernyms):
        raise UserError(*problems)
    assert folder is not None
    cache = options.cache or embedder.run.cache
    candidates, total, without = find_classes(
        options.to, folder, embedder.options.policy, embedder.lexicon, cache, embedder.hypernyms
    )
    if without:
        log.info("%s: %s of %s have no vector and cannot be found.", options.to, f"{without:,}", f"{total:,}")
    _say_fewer(options.k, len(candidates.names), options.to, "names")
    return candidates.answers([*words, *_image_queries(options, embedder)], options.k)


def _open_index(options: SearchOptions, embedder: Embedder) -> ImageIndex:
    from seqvise.retrieval.image_index import ImageIndex

    folder = options.index or _only_index(options.run)
    return ImageIndex.load(folder, embedder.binding, options.images)


def _only_index(run: Path) -> Path:
    from seqvise.cli.index import INDEXES
    from seqvise.retrieval.image_index import is_index

    folders = [folder for folder in sorted((run / INDEXES).glob("*")) if is_index(folder)]
    if not folders:
        raise UserError(f"{run} has no index of images: make one with `seqvise index run={run} images=FOLDER`.")
    if len(folders) > 1:
        raise UserError(f"{run} has several indexes: give index= one of {', '.join(map(str, folders))}.")
    return folders[0]


def _say_fewer(k: int, count: int, name: str, what: str) -> None:
    if k > count:
        log.warning("k is %d, but %s has %d %s: all are given.", k, name, count, what)


def _check_there(images: ImageIndex, answers: Sequence[Answer]) -> None:
    files = {hit.file for answer in answers for hit in answer.hits if hit.file is not None}
    gone = sorted(file for file in files if not file.is_file())
    if gone and len(gone) == len(files):
        raise UserError(
            f"None of the images found is in {images.root} any more, not even {gone[0].relative_to(images.root)}: give "
            "images= the folder that they are in now."
        )
    if gone:
        first = printable(str(gone[0]))
        log.warning("%d of %d images found are not there any more, as %s.", len(gone), len(files), first)


def _calibration(embedder: Embedder, answers: Sequence[Answer]) -> str:
    """A sentence on scores that are not cosines; empty where all are."""
    if not any(answer.calibrated for answer in answers):
        return ""
    return (
        f"Images are scored among labels by the cosine, less {embedder.calibration:g} (model.calibration) for labels "
        "that training saw."
    )


def _write(options: SearchOptions, embedder: Embedder, answers: list[Answer]) -> None:
    from rich.console import Console

    from seqvise.retrieval.render.page import show

    calibration = _calibration(embedder, answers)
    if calibration:
        log.info("%s", calibration)
    if options.json is not None:
        about = {"run": str(options.run), "to": options.to, "combine": options.combine, "k": options.k}
        about |= {"calibration": embedder.calibration} if calibration else {}
        content = {**about, "answers": [answer.as_json() for answer in answers]}
        write_output(options.json, json.dumps(content, indent=2) + "\n")
    if options.sheet is not None:
        from seqvise.retrieval.render.sheet import write_sheet

        write_sheet(answers, options.sheet)
    if options.page is not None:
        from seqvise.retrieval.render.page import write_page

        about_page = f"The nearest {options.to} by {options.run}, by the cosine to the query. {calibration}"
        write_page(answers, options.page, about_page.strip())
    show(answers, Console(highlight=False, soft_wrap=not sys.stdout.isatty()))
