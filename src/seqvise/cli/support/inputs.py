"""Files that a config names, checked before a run directory is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seqvise.config.options import Config
from seqvise.corpus.documents.options import TextOptions
from seqvise.corpus.parallel.filters import PARTS
from seqvise.corpus.parallel.options import STANDARD_INPUT, DataOptions
from seqvise.download.catalogue import vector_source
from seqvise.errors import UserError
from seqvise.images.options import ImageOptions, is_weights_file
from seqvise.models.awd_lstm.options import EncoderOptions
from seqvise.models.recurrent.options import RecurrentOptions

PICTURES = "pictures"
GENERATED = ("phrasebook",)
"""Values of `data.format` that are generated and read no file."""


def missing_inputs(config: Config) -> list[str]:
    """A message for each file or folder that training needs and that is neither present nor downloaded.

    Only existence is checked: no file is opened, so that checking a sweep of many jobs is fast.
    """
    return [*missing_data(config), *_missing_vectors(config), *_missing_runs(config)]


def missing_data(config: Config) -> list[str]:
    """As ``missing_inputs``, for the files of the `data` node."""
    data = config.data
    if isinstance(data, DataOptions):
        return list(dict.fromkeys(_missing_corpus(data)))  # parts may share a file
    if isinstance(data, TextOptions):
        return list(_missing_text(data))
    return list(_missing_images(data)) if isinstance(data, ImageOptions) else []


def _missing_corpus(data: DataOptions) -> Iterator[str]:
    if data.format in GENERATED or data.download:
        return
    from seqvise.corpus.parallel.readers import part_files

    for part in PARTS:
        for name in data.names(part):
            if name != STANDARD_INPUT:
                yield from _check_files(lambda: part_files(data, name), data.root, name)  # noqa: B023 - called at once


def _missing_text(data: TextOptions) -> Iterator[str]:
    if data.format in GENERATED:
        return
    if data.format == "folders":
        folder = Path(data.root or ".").expanduser() / (data.train or "")
        if not folder.is_dir():
            yield f"data.root and data.train name {folder}, but there is no such folder."
        return
    from seqvise.corpus.documents.readers import text_inputs

    yield from _check_files(lambda: text_inputs(data), data.root, *filter(None, (data.train, data.valid, data.test)))


def _check_files(check: Callable[[], Any], root: str | None, *names: str) -> Iterator[str]:
    """The messages of the UserError that ``check`` raises. For a file in an archive, only the archive is checked."""
    from seqvise.corpus.parallel.textfile import archive_of

    archives = [archive for name in names if (archive := archive_of(Path(root or ".").expanduser(), name))]
    if archives:
        yield from (f"{archive} does not exist." for archive in archives if not archive.is_file())
        return
    try:
        check()
    except UserError as error:
        yield from error.messages


def _missing_images(data: ImageOptions) -> Iterator[str]:
    if data.layout == PICTURES:
        return
    root = Path(data.root or "")
    if not root.is_dir():
        yield f"data.root is {root}, but there is no such folder."
        return
    for part in PARTS:
        name = getattr(data, part)
        if name and not (root / name).exists():
            yield f"data.{part} is {root / name}, but this path does not exist."
    if data.weights and is_weights_file(data.weights) and not Path(data.weights).is_file():
        yield f"data.weights is {data.weights}, but there is no such file."
    for key, path in (("wordnet", data.wordnet), ("synsets", data.synsets)):
        if path and not Path(path).exists():
            yield f"data.{key} is {path}, but this path does not exist."


def _missing_vectors(config: Config) -> Iterator[str]:
    vectors = config.vectors
    if vectors.name != "fasttext" or getattr(config.data, "layout", None) == PICTURES:
        return
    for key, path in (("source", vectors.source), ("target", vectors.target)):
        file = Path(path or ".").expanduser()
        source = vector_source(file.name)
        if path and not file.is_file() and not (vectors.download and source):
            advice = " Put it there, or set vectors.download=true." if source else ""
            yield f"vectors.{key} is '{path}', but there is no such file.{advice}"


def _missing_runs(config: Config) -> Iterator[str]:
    """A message for each key that names a run to take initial weights from, but no run directory."""
    model, pretrained = config.model, dict[str, str | None]()
    if isinstance(model, EncoderOptions):
        pretrained["model.encoder"] = model.encoder
    if isinstance(model, RecurrentOptions):
        pretrained |= {f"model.pretrained.{key}": path for key, path in vars(model.pretrained).items()}
    for key, path in pretrained.items():
        if path and not (Path(path).expanduser() / "config.yaml").is_file():
            yield f"{key} is '{path}', but this is not a run directory: it has no config.yaml."
