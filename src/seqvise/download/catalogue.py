"""Known sources: corpora by `data.name`, fastText vectors by file name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from seqvise.download.sources import Source

FASTTEXT = "https://dl.fbaipublicfiles.com/fasttext"
MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/2cc0f2d7c615b60e07e2d51bb5edc004444d7e0e/data/task1/raw"
"""Task 1, raw, at a fixed revision of https://github.com/multi30k/dataset."""

_MULTI30K_FILES = """
train.cs 593827 a65adb8b32e3bc664f21ecba7a6e7f6950fd1f405e135f7c312faabdb6255077
train.de 637044 726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6
train.en 568929 d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f
train.fr 604242 622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c
val.cs 22096 b63226e05c4bd5dd6a42897d74b86a1b9d2c31498252c572b1ea7f7996927fcc
val.de 24681 f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a
val.en 21650 14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28
val.fr 23001 ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9
test_2016_flickr.cs 22572 200a4a74cc9560f051924abb9803be008d1908d77f747e9141aeb86dfd2797f1
test_2016_flickr.de 22890 9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8
test_2016_flickr.en 21077 611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9
test_2016_flickr.fr 22310 6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90
test_2017_flickr.de 21471 a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee
test_2017_flickr.en 19138 76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074
test_2017_flickr.fr 20434 3ba671ceb2299f3304ffafefea7a833d08632fbaf0ba18546f8a2ec2391af496
test_2017_mscoco.de 10230 799e4854c25d601cb6cb6be29eabe5667734c61ace2f495e03e429031a0bc338
test_2017_mscoco.en 8844 aab300bfb4427697987e02cd0aacd44bfe8aa50456231b6474c08038bbed2b58
test_2017_mscoco.fr 9751 754f3072ba9f124569ba5258b32730fc1d214bbf8e0c6dfb2b74401676220db0
test_2018_flickr.cs 25181 7d0a9db904f94c554a8c58049a9f3a5357c27f46cc3d710d70cb0b4a2585b8c2
test_2018_flickr.de 26461 ddd0130c7d97482dc5197a02141dae8dd79f20f03586c480d675c09a32daf608
test_2018_flickr.en 23514 ef4f4844037d4c5dea75c9a8ed5fd78905967a26f67c255e230cc9780032654d
test_2018_flickr.fr 25321 fb2b83fcceb937a4f7e3e93c1c51c22aba92f1e342391e6b5ba392b16a920501
"""


def _multi30k() -> Iterator[Source]:
    for line in _MULTI30K_FILES.split("\n")[1:-1]:
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
