"""Records keep the names of their day in their files; they are read, and shown, with present names."""

from __future__ import annotations

import json
from pathlib import Path

from results.__main__ import main
from results.published import Published
from results.record import Record
from results.sweeps import load_sweeps, read_sweep

from .runs import detail_text, record
from .test_sweeps import write_sweep

RESULTS = Path(__file__).parents[2] / "results"
FORMER = {"val/loss_free_padded": "val/lesson_loss", "val/loss_free": "val/free_loss", "lesson11/rnn": "seed/rnn"}


def renamed(text: str) -> str:
    """A stored text as an earlier revision wrote it."""
    for name, former in FORMER.items():
        text = text.replace(f'"{name}"', f'"{former}"').replace(f"={name}", f"={former}")
    return text


def test_a_record_with_former_names_equals_one_with_present_names(tmp_path: Path) -> None:
    monitor = "monitor.metric=val/loss_free_padded"
    command = f"python train.py experiment=lesson11/rnn {monitor}"
    stored = record("lesson11/rnn", 30.0, 2.0, overrides=[monitor], command=command)
    file = tmp_path / "one.json"
    stored.save(file)
    former = renamed(file.read_text())
    assert former.count("val/lesson_loss") == 3
    assert former.count("val/free_loss") == 1
    file.write_text(former)
    assert Record.load(file) == stored
    assert file.read_text() == former


def test_a_sweep_with_former_names_equals_one_with_present_names(tmp_path: Path) -> None:
    stored = read_sweep(write_sweep(tmp_path / "rates"))
    file = tmp_path / "results" / "sweeps" / "rates.json"
    stored.save(file)
    file.write_text(file.read_text().replace("val/bleu", "val/loss_free"))
    (expected,) = load_sweeps(tmp_path / "results")
    file.write_text(renamed(file.read_text()))
    (loaded,) = load_sweeps(tmp_path / "results")
    assert file.read_text().count("val/free_loss") > len(loaded.jobs)
    assert loaded.metrics[0] == "val/loss_free"
    assert loaded.report.jobs()[0].metrics == expected.report.jobs()[0].metrics
    assert loaded.report == expected.report


def test_a_page_has_present_names_only(tmp_path: Path) -> None:
    results = tmp_path / "results"
    file = results / "seed" / "rnn" / "tatoeba-seed1.json"
    record("lesson11/rnn", 30.0, 2.0).save(file)
    record("lesson11/attention", 31.0, 1.5).save(results / "lesson11" / "attention" / "tatoeba-seed1.json")
    file.write_text(renamed(file.read_text()))
    (results / "published.json").write_text(json.dumps({"name": "paper", "metric": "val/lesson_loss"}))
    assert Published.load(results / "published.json").metric == "val/loss_free_padded"
    assert main([], results) == 0
    text = detail_text(results, tmp_path)
    assert "| val/loss_free_padded |" in text
    assert not [former for former in FORMER.values() if former in text]


def test_no_page_of_this_repository_has_a_former_name() -> None:
    pages = [RESULTS.parent / "RESULTS.md", *(RESULTS.parent / "docs" / "results").glob("*.md")]
    assert not [page.name for page in pages if "val/lesson_loss" in page.read_text() or "free_loss" in page.read_text()]
