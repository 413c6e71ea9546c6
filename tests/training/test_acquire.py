"""`data.download` and `vectors.download`: the files they fetch, when, and the messages without them."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from seqvise.cli.main import main
from seqvise.config.compose import compose_what_fits
from seqvise.config.options import Config
from seqvise.config.schema import typed
from seqvise.config.validate import validate_data
from seqvise.corpus.parallel.options import DataOptions
from seqvise.download.catalogue import CORPORA
from seqvise.download.sources import Source
from seqvise.errors import UserError
from seqvise.training.acquire import acquire, corpus_files, fetch_missing
from tests.download.archives import zipped
from tests.download.server import file, running

PAIRS = "".join(f"Who is number {n}?\tQui est le numéro {n} ?\tCC-BY\n" for n in range(60))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory on a machine without a network."""
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def config(*words: str) -> Config:
    cfg, messages = compose_what_fits(words)
    assert messages == []
    return typed(cfg)


def seqvise(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["seqvise", *words])
    return main()


def prepare(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    return seqvise(monkeypatch, "prepare", *words)


def test_an_archive_put_there_by_hand_is_prepared(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "data" / "tatoeba").mkdir(parents=True)
    (here / "data" / "tatoeba" / "fra-eng.zip").write_bytes(zipped(("_about.txt", b""), ("fra.txt", PAIRS.encode())))
    assert prepare(monkeypatch, "data=tatoeba", "data.download=true") == 0
    shown = capsys.readouterr()
    assert "unpacking fra.txt (2.9 kB)" in shown.err
    assert "60" in shown.out
    assert (here / "data" / "tatoeba" / "fra.txt").read_text(encoding="utf-8") == PAIRS


@pytest.mark.parametrize(
    ("words", "url", "place"),
    [
        (
            ["data=tatoeba", "data.download=true"],
            "https://www.manythings.org/anki/fra-eng.zip",
            "data/tatoeba/fra-eng.zip",
        ),
        (
            ["data=giga_fren", "data.root=elsewhere", "data.download=true"],
            "https://www.statmt.org/wmt10/training-giga-fren.tar",
            "elsewhere/training-giga-fren.tar",
        ),
        (
            ["vectors=fasttext", "vectors.source=own/wiki.fr.vec", "vectors.download=true"],
            "https://dl.fbaipublicfiles.com/fasttext/vectors-wiki/wiki.fr.vec",
            "own/wiki.fr.vec",
        ),
    ],
)
@pytest.mark.usefixtures("here")
def test_without_a_network_the_message_names_the_url(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    url: str,
    place: str,
) -> None:
    assert prepare(monkeypatch, *words) == 2
    errors = capsys.readouterr().err
    assert f"seqvise: {url} cannot be downloaded: it cannot be reached" in errors
    assert f"Download {url} manually to {place} and run the command again." in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["data=multi30k"], [f"data/multi30k/{name}" for name in ("train.fr", "train.en", "val.fr", "val.en")]),
        (["data=multi30k", "data.train=mine"], ["data/multi30k/val.fr", "data/multi30k/val.en"]),
        (["data=files", "data.root=x", "data.train=train"], []),
    ],
)
@pytest.mark.usefixtures("here")
def test_without_download_missing_files_are_only_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], paths: list[str]
) -> None:
    assert prepare(monkeypatch, *words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seqvise: ")]
    named = [line for line in lines if "Put it there, or set data.download=true." in line]
    assert len(named) == len(paths)
    assert all(f"{path} (or " in line for path, line in zip(paths, named, strict=True))
    assert len(lines) >= 2
    assert all("does not exist" in line for line in lines)


def test_missing_parts_come_from_the_server_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    side = gzip.compress(b"une phrase\n")
    with running() as server:
        sources = [
            Source(server.serve(f"/{name}.gz", file(side)), (f"{name}.gz",))
            for name in ("train.fr", "train.en", "val.fr", "val.en", "test.fr", "test.en")
        ]
        options = config("data=multi30k", "data.root=raw", "data.download=true")
        (here / "raw").mkdir()
        (here / "raw" / "train.en").write_text("my own\n")
        fetch_missing(options, {"multi30k": sources})
        assert [path for path, _, _ in server.requests] == ["/train.fr.gz", "/val.fr.gz", "/val.en.gz"]
        fetch_missing(options, {"multi30k": sources})
        assert len(server.requests) == 3
    assert f"downloading {server.url}/train.fr.gz ({len(side)} bytes)" in capsys.readouterr().err
    assert gzip.decompress((here / "raw" / "val.en.gz").read_bytes()) == b"une phrase\n"


def test_without_the_word_no_server_is_asked(here: Path) -> None:
    with running() as server:
        sources = {"multi30k": [Source(server.serve("/train.fr.gz", file()), ("train.fr.gz",))]}
        fetch_missing(config("data=multi30k"), sources)
        fetch_missing(config("data=phrasebook"), sources)
        assert server.requests == []
    assert list(here.iterdir()) == []


def test_files_of_a_corpus() -> None:
    data = DataOptions(root="x", train="train", valid="val", source="fr", target="en")
    assert corpus_files(data) == ["train.fr", "train.en", "val.fr", "val.en"]
    assert corpus_files(replace(data, format="tabbed", train="fra.txt", valid=None)) == ["fra.txt"]
    assert corpus_files(DataOptions(format="phrasebook")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["data=files", "data.root=x", "data.train=y", "data.download=true"],
            "no address is known for data.name=files",
        ),
        (["vectors.download=true"], "vectors.download is true, but vectors=none reads no file"),
    ],
)
def test_invalid_downloads_are_refused_first(words: list[str], message: str) -> None:
    cfg, messages = compose_what_fits(words)
    (refusal,) = [*messages, *validate_data(cfg)]
    assert message in refusal


def test_a_missing_vector_file_names_the_word(tmp_path: Path) -> None:
    from seqvise.vectors.initialise import check_files
    from seqvise.vectors.options import VectorOptions

    for name, ending in (("wiki.fr.bin", " Put it there, or set vectors.download=true."), ("mine.bin", "")):
        with pytest.raises(UserError) as error:
            check_files(VectorOptions(name="fasttext", source=str(tmp_path / name)), 300)
        assert error.value.messages[0].endswith(f"there is no such file.{ending}")


TINY = ["model=rnn", "model.embedding=4", "model.encoder_hidden=4", "model.decoder_hidden=4", "trainer=cpu"]
RUN = [*TINY, "data=tatoeba", "data.download=true", "logger=none", "hydra.run.dir=run"]


def test_racing_processes_download_each_file_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as server:
        names = [f"{part}.{language}" for part in ("train", "val") for language in ("fr", "en")]
        side = file(gzip.compress(b"une phrase\n"))
        sources = tuple(Source(server.serve(f"/{name}.gz", side), (f"{name}.gz",)) for name in names)
        monkeypatch.setitem(CORPORA, "multi30k", sources)
        wanted = config("data=multi30k", "data.root=raw", "data.download=true", "data.test=null")
        (here / "raw").mkdir()
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(acquire, [wanted] * 4)) == [wanted] * 4
        assert sorted(path for path, _, _ in server.requests) == sorted(f"/{name}.gz" for name in names)


def test_training_acquires_its_data_once_and_before_it_fits(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqvise.training import acquire as module
    from seqvise.training import fit

    calls = list[tuple[str, Config]]()
    acquired = config("data=phrasebook", "seed=7")

    def acquiring(wanted: Config) -> Config:
        assert (here / "run" / "config.yaml").is_file()
        calls.append(("acquire", wanted))
        return acquired

    def fitting(trained: Config, *_: object) -> dict[str, float]:
        calls.append(("fit", trained))
        return {}

    monkeypatch.setattr(module, "acquire", acquiring)
    monkeypatch.setattr(fit, "fit", fitting)
    assert seqvise(monkeypatch, "train", *RUN, "seed=1") == 0
    assert [name for name, _ in calls] == ["acquire", "fit"]
    assert calls[0][1].data.name == "tatoeba"
    assert calls[1][1] is acquired


def test_building_and_fitting_download_nothing(here: Path) -> None:
    from seqvise.runs.directory import RunDirectory
    from seqvise.training.build import build_job

    (here / "run").mkdir()
    with pytest.raises(UserError, match=r"fra\.txt.*does not exist"):
        build_job(config(*RUN[:-1], "seed=1", "paths.run=run"), RunDirectory(here / "run"))


@pytest.mark.usefixtures("here")
def test_a_dry_run_downloads_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = ["vectors=fasttext", "vectors.source=wiki.fr.vec", "vectors.download=true", "vectors.dim=4"]
    assert seqvise(monkeypatch, "train", *RUN[:-1], *vectors, "dry_run=true") == 2
    refused = "is missing, and dry_run=true does not download it: run `seqvise prepare` with the other overrides first,"
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("seqvise: ")] == [
        f"seqvise: {file} {refused} or remove dry_run=true." for file in ("data/tatoeba/fra-eng.zip", "wiki.fr.vec")
    ]
    assert not [path for path in Path().rglob("*") if path.is_file()]


def test_a_run_whose_download_failed_is_resumed(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seqvise(monkeypatch, "train", *RUN, "trainer.max_epochs=1") == 2
    status = json.loads((here / "run" / "status.json").read_text())
    assert (status["status"], status["interrupted"]) == ("failed", False)
    assert "fra-eng.zip cannot be downloaded" in status["why"]
    (here / "data" / "tatoeba" / "fra-eng.zip").write_bytes(zipped(("fra.txt", PAIRS.encode())))
    capsys.readouterr()
    assert seqvise(monkeypatch, "train", "resume=run") == 0
    assert json.loads((here / "run" / "status.json").read_text())["status"] == "ok"
