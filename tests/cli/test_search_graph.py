"""An approximate index through the command line: built in one process, searched in another, equal to the exact one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("torchvision")

from seqvise.cli.main import main
from seqvise.retrieval.image_index import MANIFEST
from tests.earlier import copy_of

WITHOUT_SCAN = """
import sys
import seqvise.retrieval.indexes.exact, seqvise.retrieval.indexes.base
def refuse(*_):
    raise AssertionError("the exact scan answered")
seqvise.retrieval.indexes.exact.nearest_rows = seqvise.retrieval.indexes.base.nearest_rows = refuse
from seqvise.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""A program that runs a command in which no search compares with all vectors."""
SEARCH = ["search", "run=runs/devise", "query=red", "query=plum - red", "image=images/green/0.png", "k=4", "device=cpu"]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a run of an earlier revision and its images."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return copy_of(tmp_path, "runs/devise", "images", "network.pt", "words.vec", "cache")


def hits(*argv: str) -> list[list[tuple[str, float]]]:
    """Names and cosines that a search in this process writes."""
    assert main([*SEARCH, *argv, "json=here.json"]) == 0
    return read(Path("here.json"))


def hits_without_scan(*argv: str) -> list[list[tuple[str, float]]]:
    """The same results from a search in a separate process, which uses the graph and logs nothing."""
    program = [sys.executable, "-c", WITHOUT_SCAN, *SEARCH, *argv, "json=apart.json"]
    done = subprocess.run(program, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert notes(done.stderr.splitlines()) == []
    return read(Path("apart.json"))


def notes(lines: Sequence[str]) -> list[str]:
    """The logged messages without the note that the earlier run has no checksums."""
    return [line for line in lines if "without checksums" not in line]


def read(path: Path) -> list[list[tuple[str, float]]]:
    answers = json.loads(path.read_text())["answers"]
    return [[(hit["name"], round(hit["cosine"], 4)) for hit in answer["hits"]] for answer in answers]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", ["nmslib", "faiss"])
def test_a_graph_that_another_process_built_answers_as_the_exact_index(kind: str) -> None:
    pytest.importorskip(kind)
    for index in ("exact", kind):
        words = ["run=runs/devise", "images=images", f"index={index}", f"output={index}", "device=cpu"]
        assert main(["index", *words]) == 0
    assert hits_without_scan(f"index={kind}") == hits("index=exact")


BUILD = ["index", "run=runs/devise", "images=images", "device=cpu"]


def test_an_index_of_the_users_own_class_is_searched_in_another_process(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The class is that of docs/extending.md; the folder of the user is the working directory."""
    shutil.copytree(EXAMPLES / "mine", here / "mine")
    assert main([*BUILD, "index=exact", "output=exact"]) == 0
    for _ in range(2):  # the second time, the vectors of the index are reused
        assert main([*BUILD, "index=mine.index.Buckets", "output=own"]) == 0
    manifest = json.loads((here / "own" / MANIFEST).read_text())
    assert (manifest["kind"], manifest["width"] > 0) == ("mine.index.Buckets", True)
    assert set(manifest["recall"]) == {"images", "words"}
    assert "kind: mine.index.Buckets, recall@10 1.000 for images" in capsys.readouterr().out
    assert hits_without_scan("index=own", "trust=true") == hits("index=exact")
    assert main([*SEARCH, "index=own"]) == 2
    assert "index=own is of kind 'mine.index.Buckets', a class outside of seqvise" in capsys.readouterr().err


def test_a_class_that_is_no_index_is_refused_before_anything_is_made(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, sentence in (
        ("json.JSONDecoder", "index is 'json.JSONDecoder', but that class has no build, load, search, save, __len__"),
        ("mine.nothing.Index", "index is 'mine.nothing.Index', but mine.nothing cannot be imported"),
        ("json.dumps", "index is 'json.dumps', but json has a function of that name, not a class."),
    ):
        assert main([*BUILD, f"index={kind}", "output=own"]) == 2
        assert sentence in capsys.readouterr().err
    assert not (here / "own").exists()


def test_the_empty_graph_of_an_earlier_revision_is_rebuilt_once(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("nmslib")
    copy_of(here, "indexes/nmslib", "indexes/exact")
    folder = here / "indexes" / "nmslib"
    root = json.loads((folder / MANIFEST).read_text())["root"]
    assert (folder / "index.nmslib").stat().st_size == 68
    rebuilt = hits("images=images", "index=indexes/nmslib")
    assert notes(caplog.messages) == [
        "index=indexes/nmslib has an empty graph, as earlier revisions saved it: it is rebuilt from its 18 vectors."
    ]
    assert (folder / "index.nmslib").stat().st_size > 18 * 4 * 4
    assert json.loads((folder / MANIFEST).read_text())["root"] == root
    again = hits_without_scan("images=images", "index=indexes/nmslib")
    assert rebuilt == again == hits("images=images", "index=indexes/exact")
