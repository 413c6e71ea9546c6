"""``python -m results`` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from results.__main__ import RESULTS, main
from results.page import pages
from results.record import Record

from .runs import Run

Captured = pytest.CaptureFixture[str]


def test_add_then_render(tmp_path: Path, capsys: Captured) -> None:
    results = tmp_path / "results"
    dirty = Run(git={"revision": "abc", "diff": "x"}).write(tmp_path / "run")
    assert main(["add", str(dirty), "--note", "as it was"], results) == 0
    assert "changes that are in no commit" in capsys.readouterr().err
    assert main([], results) == 0
    assert "  as it was\n" in (tmp_path / "docs" / "results" / "translation.md").read_text()
    assert "| tatoeba | lesson11/rnn | 3.63 | 4 |" in (tmp_path / "RESULTS.md").read_text()
    assert (results / "pictures" / "tatoeba.svg").is_file()


def test_a_result_is_not_written_over_unasked(tmp_path: Path, capsys: Captured) -> None:
    results, run = tmp_path / "results", Run().write(tmp_path / "run")
    file = results / "lesson11" / "rnn" / "tatoeba-seed4.json"
    assert main(["add", str(run)], results) == 0
    (run / "metrics.json").write_text(json.dumps({"val/bleu": 77.0}))
    assert main(["add", str(run)], results) == 2
    assert f"{file} exists; --replace" in capsys.readouterr().err
    assert Record.load(file).number("val/bleu") == 3.6304
    assert main(["add", str(run), "--name", "again"], results) == 0
    assert main(["add", str(run), "--replace"], results) == 0
    assert Record.load(file).number("val/bleu") == Record.load(file.with_name("again.json")).number("val/bleu") == 77.0


def test_one_bad_run_keeps_all_out(tmp_path: Path, capsys: Captured) -> None:
    good = Run().write(tmp_path / "good")
    bad = Run(status={"status": "running"}).write(tmp_path / "bad")
    assert main(["add", str(good), str(bad), str(tmp_path / "nowhere")], tmp_path / "results") == 2
    lines = capsys.readouterr().err.splitlines()
    assert [("bad" in line or "nowhere" in line) for line in lines] == [True, True]
    assert not (tmp_path / "results").exists()


def test_two_runs_of_one_name_are_refused(tmp_path: Path, capsys: Captured) -> None:
    runs = [str(Run().write(tmp_path / name)) for name in ("one", "two")]
    assert main(["add", *runs], tmp_path / "results") == 2
    assert "Two of the runs would both be tatoeba-seed4.json" in capsys.readouterr().err


def test_the_pages_are_what_the_files_render_to() -> None:
    texts = pages(RESULTS, RESULTS.parent)
    assert set(texts) == {RESULTS.parent / "RESULTS.md", *(RESULTS.parent / "docs" / "results").glob("*.md")}
    for page, rendered in texts.items():
        text = page.read_text(encoding="utf-8")
        assert text == rendered, f"{page} is not up to date: run `python -m results`."
        links = [link for part in text.split("](")[1:] if (link := part.split(")")[0]) and not link.startswith("#")]
        assert [link for link in links if not (page.parent / link).is_file()] == []


def test_the_summary_fits_on_a_screen_or_three() -> None:
    assert len((RESULTS.parent / "RESULTS.md").read_text(encoding="utf-8").splitlines()) <= 150
