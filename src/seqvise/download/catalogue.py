"""Known sources: corpora by `data.name`, fastText vectors by file name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path

from seqvise.download.sources import Source

FASTTEXT = "https://dl.fbaipublicfiles.com/fasttext"
MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/2cc0f2d7c615b60e07e2d51bb5edc004444d7e0e/data/task1/raw"
"""Task 1, raw, at a fixed revision of https://github.com/multi30k/dataset."""


def _multi30k() -> Iterator[Source]:
    table = resources.files("seqvise.download").joinpath("data/multi30k.tsv").read_text("utf-8")
    for line in table.splitlines()[1:]:
        name, size, sha256 = line.split()
        yield Source(f"{MULTI30K}/{name}.gz", (f"{name}.gz",), int(size), sha256)


CORPORA: dict[str, tuple[Source, ...]] = {
    "giga_fren": (
        Source(
            "https://www.statmt.org/wmt10/training-giga-fren.tar",
            ("giga-fren.release2.fixed.en.gz", "giga-fren.release2.fixed.fr.gz"),
            size=2_595_102_720,
            growth=1.0,
        ),
    ),
    # Updated every few weeks, so size and hash are not fixed.
    "tatoeba": (Source("https://www.manythings.org/anki/fra-eng.zip", ("fra.txt",), growth=5.0),),
    "multi30k": tuple(_multi30k()),
}
"""`data.name` -> sources of its files, with hashes where the files were available for checking."""


def corpus_source(corpus: str, file: str) -> Source | None:
    """The source of a corpus file, plain or with ``.gz``; None if no address is known."""
    return _source_of(CORPORA.get(corpus, ()), file)


def missing_sources(sources: Sequence[Source], root: Path, files: Iterable[str]) -> list[Source]:
    """The sources of the files that are not in the folder, plain or with ``.gz``; without repeats."""
    missing = [file for file in files if not any((root / name).is_file() for name in (file, f"{file}.gz"))]
    return list(dict.fromkeys(source for file in missing if (source := _source_of(sources, file))))


def _source_of(sources: Sequence[Source], file: str) -> Source | None:
    return next((source for source in sources if {file, f"{file}.gz"}.intersection(source.files)), None)


def vector_source(file: str) -> Source | None:
    """The source of a file of fastText vectors, by its name; None if no address is known.

    ``cc.LANGUAGE.300.{bin,vec,vec.gz}`` are trained on Common Crawl and Wikipedia
    (https://fasttext.cc/docs/en/crawl-vectors.html), ``wiki.LANGUAGE.{bin,vec}`` on Wikipedia alone
    (https://fasttext.cc/docs/en/pretrained-vectors.html).
    """
    if match := re.fullmatch(r"(cc\.[a-z_-]+\.300\.(?:bin|vec))(\.gz)?", file):
        plain, zipped = match.groups()
        if zipped and plain.endswith(".bin"):
            return None  # no reader supports it
        return Source(f"{FASTTEXT}/vectors-crawl/{plain}.gz", (file,), growth=0.0 if zipped else 3.0)
    if match := re.fullmatch(r"(wiki\.[a-z_-]+)\.(bin|vec)", file):
        if match[2] == "vec":
            return Source(f"{FASTTEXT}/vectors-wiki/{file}", (file,))
        return Source(f"{FASTTEXT}/vectors-wiki/{match[1]}.zip", (file,), growth=1.0)
    return None
