"""Vectors of a vocabulary kept on the disk, so that a file of gigabytes is read once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from seqvise.files import atomic_folder, digest, digest_file, locked
from seqvise.vectors.files import read_vectors
from seqvise.vectors.words import Origin, WordVectors

FORMAT = 1


def stored_vectors(path: Path, words: Sequence[str], cache: Path) -> WordVectors:
    """The file's vectors of the words, mapped from the store; read into it where they are not there yet.

    The store is ``cache/vectors/<stem>-<hash>``, by the content of the file and the words asked for.

    Raises:
        UserError: the file is damaged; nothing is written then.
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
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _read(folder: Path) -> WordVectors:
    with (folder / "words.txt").open(encoding="utf-8", newline="\n") as file:
        rows = [line[:-1].rpartition("\t") for line in file]
    origins = np.array([Origin[name.upper()] for _, _, name in rows], np.uint8)
    return WordVectors(tuple(word for word, _, _ in rows), np.load(folder / "vectors.npy", mmap_mode="r"), origins)
