"""Vectors of a vocabulary kept on the disk, so that a file of gigabytes is read once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from seqvise.errors import UserError
from seqvise.files import atomic_folder, digest, digest_file, locked
from seqvise.vectors.files import read_vectors
from seqvise.vectors.manifest import read_manifest, write_manifest
from seqvise.vectors.words import Origin, WordVectors

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
