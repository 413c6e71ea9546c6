"""A shortlist from a run's corpus, and translation with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqvise.cli.shortlist import main
from seqvise.cli.translate import main as translate
from tests.cli.test_train import TINY, here, seqvise, the_run
from tests.runs.made import make_run

__all__ = ["here"]


def test_a_run_decodes_among_the_words_that_translate_its_source(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY) == 0
    run = the_run(here)
    capsys.readouterr()
    path = here / "list.tsv"
    assert main([f"run={run}", f"output={path}", "words=3"]) == 0
    output = capsys.readouterr().out
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    assert head == "source\ttarget\tprobability"
    rows = [line.split("\t") for line in lines]
    source_words = [source for source, *_ in rows]
    assert max(source_words.count(source) for source in set(source_words)) <= 3
    assert output == f"{len(rows)} target words of {len(set(source_words))} source words: {path}\n"
    (here / "in.txt").write_text("qui es tu ?\n\noù est elle ?\n", encoding="utf-8")
    words = [f"run={run}", f"input={here / 'in.txt'}", "device=cpu", f"output={here / 'out.txt'}"]
    assert translate([*words, f"shortlist={path}", "beam=2"]) == 0
    assert (here / "out.txt").read_text(encoding="utf-8").count("\n") == 3


def test_invalid_shortlist_options_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "run")
    (tmp_path / "none.tsv").write_text("x\n")
    for words, sentence in (
        ([f"run={run}", f"output={tmp_path}"], "it is a folder"),
        ([f"run={run}", f"output={tmp_path / 'x'}", "words=0"], "words is 0, but must be at least 1"),
        ([f"run={tmp_path}", f"output={tmp_path / 'x'}"], "is not a run directory"),
        ([f"run={run}", f"output={tmp_path / 'x'}"], "has another vocabulary than the run"),
    ):
        assert main(words) == 2, words
        assert sentence in capsys.readouterr().err, words
    assert translate([f"run={run}", f"input={tmp_path / 'none.tsv'}", f"shortlist={tmp_path / 'none.tsv'}"]) == 2
    assert "it is not a file of seqvise shortlist" in capsys.readouterr().err
