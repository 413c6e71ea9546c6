"""Caches the vectors of a vocabulary on disk, so that a file of gigabytes is read once."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
_WHOLE_READERS = {".bin": read_all_binary, ".npz": read_all_arrays}


def file_dim(path: Path) -> int:
    """The dimension of a file's vectors, without reading them.

    Raises:
        UserError: the file has an unknown suffix, or its header is damaged.
    """
    return _DIMS.get(_kind(path), text_dim)(path)


def read_vectors(path: Path, words: Sequence[str]) -> WordVectors:
    """The vectors of words from a ``.bin``, ``.npz``, ``.vec`` or ``.txt`` file, the last two plain or gzip.

    Raises:
        UserError: the file is damaged, or a ``.bin`` file needs fastText and it is not installed.
    """
    return _READERS.get(_kind(path), read_text)(path, words)


def read_all(path: Path, limit: int | None = None) -> WholeFile:
    """The first ``limit`` words of a file and their vectors.

    If a word occurs twice, the first occurrence is used; words that contain a line break are skipped.

    Raises:
        UserError: the file is damaged, or a ``.bin`` file needs fastText and it is not installed.
    """
    whole = _WHOLE_READERS.get(_kind(path), read_all_text)(path, limit)
    first = {word: row for row, word in reversed(list(enumerate(whole.words))) if word and "\n" not in word}
    if len(first) == len(whole.words):
        return whole
    rows = sorted(first.values())
    return whole._replace(words=[whole.words[row] for row in rows], matrix=whole.matrix[rows])


def _kind(path: Path) -> str:
    if not path.name.endswith(ENDINGS):
        raise UserError(f"{path} is not a file of word vectors: its name must end in one of {', '.join(ENDINGS)}.")
    return path.suffix


log = logging.getLogger(__name__)
MANIFEST, CHECKSUMS_KEY = "manifest.json", "checksums"


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Writes a manifest with the content, and the checksums of all files of the folder and of the manifest itself."""
    whole = sealed({**content, CHECKSUMS_KEY: record_files(folder)})
    (folder / MANIFEST).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path, cached: bool = False) -> dict[str, Any]:
    """Reads a manifest and verifies the files of its folder: small files completely, large files by samples.

    Args:
        cached: logs a line if the folder was written by an earlier revision, without checksums.

    Raises:
        DamagedError: a file was changed after it was written.
        OSError, ValueError, TypeError, AttributeError: there is no manifest, or it cannot be read.
    """
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    plain = unsealed(content, MANIFEST, required=CHECKSUMS_KEY in content or SEAL in content)
    if CHECKSUMS_KEY in plain:
        check_files(folder, plain[CHECKSUMS_KEY])
    elif cached:
        log.info("%s was written by an earlier revision, without checksums: damage is not detected.", folder)
    return plain


FORMAT = 1


def stored_vectors(path: Path, words: Sequence[str], cache: Path) -> WordVectors:
    """The memory-mapped vectors of words from a store; on the first call, they are read from the file.

    The store is ``cache/vectors/<stem>-<hash>``, with a hash of the content of the file and the words.

    Raises:
        UserError: the file is damaged (then nothing is written), or the store is damaged.
    """
    return cached_vectors(stem_of(path), digest_file(path), words, cache, lambda: read_vectors(path, words))


def cached_vectors(
    stem: str, origin: str, words: Sequence[str], cache: Path, make: Callable[[], WordVectors]
) -> WordVectors:
    """The result of ``make``, which is called once for each ``origin`` and list of words, also by parallel processes.

    Args:
        stem: readable part of the store's name.
        origin: hash of everything else that determines the vectors.
    """

    def write(folder: Path) -> None:
        vectors = make()
        with atomic_folder(folder) as temporary:
            _write(temporary, vectors, origin)

    return _read(made_once(cache, stem, [FORMAT, origin, list(words)], write))


def made_once(cache: Path, stem: str, identity: list[Any], write: Callable[[Path], None]) -> Path:
    """The folder ``cache/vectors/<stem>-<hash of identity>``, written by one process if it does not exist."""
    folder = cache / "vectors" / f"{stem}-{digest(json.dumps(identity))}"
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            write(folder)
    return folder


def stem_of(path: Path) -> str:
    """The file's name without suffixes."""
    return path.name.removesuffix(".gz").rpartition(".")[0]


@contextmanager
def reading_folder(folder: Path, remedy: str = "delete it; the next command rebuilds it.") -> Iterator[None]:
    """Any error in reading a folder of vectors is a ``UserError`` with the remedy."""
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder} is not a complete folder of word vectors ({error}): {remedy}") from None


def load_matrix(folder: Path, shape: list[int], count: int) -> Any:
    """The memory-mapped vectors of a folder, after a check of their shape and their number of words."""
    matrix = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
    if list(matrix.shape) != shape or len(matrix) != count:
        raise ValueError(f"{count:,} words, {matrix.shape} vectors, but the manifest has {shape}")
    return matrix


def _write(folder: Path, vectors: WordVectors, origin: str) -> None:
    counts = Counter(Origin(value).name.lower() for value in vectors.origins.tolist())
    manifest = {"format": FORMAT, "origin": origin, "shape": list(vectors.matrix.shape), "found": dict(counts)}
    rows = zip(vectors.words, vectors.origins.tolist(), strict=True)
    np.save(folder / "vectors.npy", vectors.matrix)
    with (folder / "words.txt").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{word}\t{Origin(value).name.lower()}\n" for word, value in rows)
    write_manifest(folder, manifest)


def _read(folder: Path) -> WordVectors:
    with reading_folder(folder):
        manifest = read_manifest(folder, cached=True)
        with (folder / "words.txt").open(encoding="utf-8", newline="\n") as file:
            rows = [line[:-1].rpartition("\t") for line in file]
        origins = np.array([Origin[name.upper()] for _, _, name in rows], np.uint8)
        matrix = load_matrix(folder, manifest["shape"], len(rows))
    return WordVectors(tuple(word for word, _, _ in rows), matrix, origins)
