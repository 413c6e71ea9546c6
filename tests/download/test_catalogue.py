"""Known addresses: their files are those that the shipped configs read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from seqvise.config.compose import compose_what_fits
from seqvise.download.catalogue import CORPORA, corpus_source, missing_sources, vector_source

CLOUD = "https://dl.fbaipublicfiles.com/fasttext"


def config(corpus: str) -> Any:
    cfg, messages = compose_what_fits([f"data={corpus}"])
    assert messages == []
    return cfg.data


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_corpus_has_the_files_that_its_config_reads(corpus: str) -> None:
    data = config(corpus)
    assert data.name == corpus
    parts = [part for part in (data.train, data.valid, data.test) if part]
    files = [f"{part}.{side}" for part in parts for side in ("fr", "en")] if data.format == "paired" else parts
    assert files
    assert all(corpus_source(corpus, file) is not None for file in files)


def test_addresses_are_safe_and_hashes_are_valid() -> None:
    sources = [source for corpus_sources in CORPORA.values() for source in corpus_sources]
    assert len({source.url for source in sources}) == len(sources) == 24
    for source in sources:
        assert source.url.startswith("https://")
        assert all(Path(file).name == file for file in source.files)
        assert source.packed == (source.growth > 0)
        assert source.sha256 is None or re.fullmatch("[0-9a-f]{64}", source.sha256)


def test_a_known_file() -> None:
    source = corpus_source("multi30k", "val.fr")
    assert source is not None
    assert (source.name, source.files, source.size) == ("val.fr.gz", ("val.fr.gz",), 23_001)
    assert source.sha256 == "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9"
    assert corpus_source("multi30k", "val.fr.gz") == source
    assert corpus_source("multi30k", "val.ja") is None
    assert corpus_source("files", "val.fr") is None


def test_only_missing_files_have_sources_and_each_archive_once(tmp_path: Path) -> None:
    files = ["giga-fren.release2.fixed.fr", "giga-fren.release2.fixed.en"]
    (giga,) = missing_sources(CORPORA["giga_fren"], tmp_path, files)
    assert giga.name == "training-giga-fren.tar"
    (tmp_path / "train.fr").touch()
    (tmp_path / "train.en.gz").touch()
    sources = missing_sources(CORPORA["multi30k"], tmp_path, ["train.fr", "train.en", "val.fr", "mine.fr"])
    assert [source.name for source in sources] == ["val.fr.gz"]


@pytest.mark.parametrize(
    ("file", "url", "packed"),
    [
        ("cc.fr.300.bin", f"{CLOUD}/vectors-crawl/cc.fr.300.bin.gz", True),
        ("cc.fr.300.vec", f"{CLOUD}/vectors-crawl/cc.fr.300.vec.gz", True),
        ("cc.fr.300.vec.gz", f"{CLOUD}/vectors-crawl/cc.fr.300.vec.gz", False),
        ("wiki.fr.bin", f"{CLOUD}/vectors-wiki/wiki.fr.zip", True),
        ("wiki.fr.vec", f"{CLOUD}/vectors-wiki/wiki.fr.vec", False),
        ("wiki.zh_yue.bin", f"{CLOUD}/vectors-wiki/wiki.zh_yue.zip", True),
    ],
)
def test_vectors_by_the_name_of_the_file(file: str, url: str, packed: bool) -> None:
    source = vector_source(file)
    assert source is not None
    assert (source.url, source.files, source.packed) == (url, (file,), packed)


@pytest.mark.parametrize(
    "file",
    ["mine.bin", "cc.fr.100.bin", "cc.fr.300.bin.gz", "wiki.fr.vec.gz", "wiki.fr.zip", "wiki.FR.bin", "xcc.fr.300.bin"],
)
def test_other_names_have_no_address(file: str) -> None:
    assert vector_source(file) is None
