"""Vectors of a vocabulary kept on the disk, so that a file of gigabytes is read once."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqvise.checksums import SEAL, check_files, record_files, sealed, unsealed
from seqvise.errors import UserError
from seqvise.files import atomic_folder, digest, digest_file, locked
from seqvise.vectors.arrays import arrays_dim, read_all_arrays, read_arrays
from seqvise.vectors.binary import binary_dim, read_all_binary, read_binary
from seqvise.vectors.options import ENDINGS
from seqvise.vectors.text import read_all_text, read_text, text_dim
from seqvise.vectors.words import Origin, WholeFile, WordVectors

_DIMS = {".bin": binary_dim, ".npz": arrays_dim}
_READERS = {".bin": read_binary, ".npz": read_arrays}
_WHOLE = {".bin": read_all_binary, ".npz": read_all_arrays}


def file_dim(path: Path) -> int:
    """The width of a file's vectors, without reading them.

    Raises:
        UserError: the file has an unknown ending, or its head is damaged.
    """
    return _DIMS.get(_kind(path), text_dim)(path)


def read_vectors(path: Path, words: Sequence[str]) -> WordVectors:
    """The vectors of the words in a ``.bin``, ``.npz``, ``.vec`` or ``.txt`` file, the last two plain or gzip.

    Raises:
        UserError: the file is damaged, or a ``.bin`` file needs fastText and it is not installed.
    """
    return _READERS.get(_kind(path), read_text)(path, words)


def read_all(path: Path, limit: int | None = None) -> WholeFile:
    """The first ``limit`` words of a file and their vectors.

    Of a word that stands there twice the first counts; a word that holds a line break is left out.

    Raises:
        UserError: the file is damaged, or a ``.bin`` file needs fastText and it is not installed.
    """
    whole = _WHOLE.get(_kind(path), read_all_text)(path, limit)
    first = {word: row for row, word in reversed(list(enumerate(whole.words))) if word and "\n" not in word}
    if len(first) == len(whole.words):
        return whole
    rows = sorted(first.values())
    return whole._replace(words=[whole.words[row] for row in rows], matrix=whole.matrix[rows])


def _kind(path: Path) -> str:
    if not path.name.endswith(ENDINGS):
        raise UserError(f"{path} is no file of word vectors: its name must end in one of {', '.join(ENDINGS)}.")
    return path.suffix


log = logging.getLogger(__name__)
MANIFEST, CHECKSUMS_KEY = "manifest.json", "checksums"


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Writes the content beside all other files of the folder, with their checksums and its own."""
    whole = sealed({**content, CHECKSUMS_KEY: record_files(folder)})
    (folder / MANIFEST).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path, cached: bool = False) -> dict[str, Any]:
    """The content of a manifest whose files are as they were written: small ones whole, large ones in samples.

    Args:
        cached: whether a folder without checksums, as earlier revisions wrote it, is worth a line.

    Raises:
        DamagedError: a file is not as it was written.
        OSError, ValueError, TypeError, AttributeError: there is no manifest, or it cannot be read.
    """
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    plain = unsealed(content, MANIFEST, required=CHECKSUMS_KEY in content or SEAL in content)
    if CHECKSUMS_KEY in plain:
        check_files(folder, plain[CHECKSUMS_KEY])
    elif cached:
        log.info("%s is of an earlier revision, without checksums: damage to it is not noticed.", folder)
    return plain


FORMAT = 1


def stored_vectors(path: Path, words: Sequence[str], cache: Path) -> WordVectors:
    """The file's vectors of the words, mapped from the store; read into it where they are not there yet.

    The store is ``cache/vectors/<stem>-<hash>``, by the content of the file and the words asked for.

    Raises:
        UserError: the file is damaged, and nothing is written then; or the store is damaged.
    """
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    return kept(stem, digest_file(path), words, cache, lambda: read_vectors(path, words))


def kept(stem: str, origin: str, words: Sequence[str], cache: Path, make: Callable[[], WordVectors]) -> WordVectors:
    """What ``make`` gives, made once for each ``origin`` and list of words, also by processes that ask together.

    Args:
        stem: the readable part of the store's name.
        origin: the hash of all else that shapes the vectors.
    """
    identity = json.dumps([FORMAT, origin, list(words)])
    folder = cache / "vectors" / f"{stem}-{digest(identity)}"
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            vectors = make()
            with atomic_folder(folder) as temporary:
                _write(temporary, vectors, origin)
    return _read(folder)


def _write(folder: Path, vectors: WordVectors, origin: str) -> None:
    counts = Counter(Origin(value).name.lower() for value in vectors.origins.tolist())
    manifest = {"format": FORMAT, "origin": origin, "shape": list(vectors.matrix.shape), "found": dict(counts)}
    rows = zip(vectors.words, vectors.origins.tolist(), strict=True)
    np.save(folder / "vectors.npy", vectors.matrix)
    with (folder / "words.txt").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{word}\t{Origin(value).name.lower()}\n" for word, value in rows)
    write_manifest(folder, manifest)


def _read(folder: Path) -> WordVectors:
    try:
        manifest = read_manifest(folder, cached=True)
        with (folder / "words.txt").open(encoding="utf-8", newline="\n") as file:
            rows = [line[:-1].rpartition("\t") for line in file]
        origins = np.array([Origin[name.upper()] for _, _, name in rows], np.uint8)
        matrix = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        if list(matrix.shape) != manifest["shape"] or len(matrix) != len(rows):
            raise ValueError(f"{len(rows):,} words, {matrix.shape} vectors, {manifest['shape']} promised")
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder} is not a whole folder of word vectors ({error}): delete it, and the next command makes it again."
        ) from None
    return WordVectors(tuple(word for word, _, _ in rows), matrix, origins)
