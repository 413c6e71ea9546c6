"""RESULTS.md and docs/results: their cells, their links, and the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from results.page import render
from results.record import Record
from seqvise.errors import UserError

from .runs import detail_text, record, summary_text

PUBLISHED = {
    "name": "others",
    "metric": "val/loss_free_padded",
    "dataset": "giga_fren",
    "source": "A paper",
    "values": {"lesson11/rnn": 3.5964, "lesson11/attention": 3.2},
}
BENCHMARK = {
    "command": "python -m benchmarks --json fast.json",
    "commit": "fedcba9876543210",
    "dirty": True,
    "date": "2026-11-22",
    "machine": {"processor": "A CPU", "cores": 4, "threads": 2, "torch": "2.13.0", "python": "3.11.7", "load": 0.1},
    "training_step": [
        {
            "forcing": 0.5,
            "seconds": 0.25,
            "lesson_seconds": 1.5,
            "ratio": 6.02,
            "tokens_per_second": 6400.4,
            "lesson_tokens_per_second": 1066.6,
            "share_of_products": 0.4,
            "peak_mib": 900.2,
        }
    ],
    "start_up": [{"command": "seqvise --help", "exit_code": 0, "seconds": 0.0912}],
}


def write_records(folder: Path, *records: Record) -> Path:
    results = folder / "results"
    results.mkdir()
    for number, item in enumerate(records):
        item.save(results / item.experiment / f"{number}.json")
    (results / "published.json").write_text(json.dumps(PUBLISHED))
    return results


def rows(text: str, start: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_cells_best_values_and_published_numbers(tmp_path: Path) -> None:
    results = write_records(
        tmp_path, record("lesson11/attention", 6.5, 3.3), record("lesson11/rnn", 3.63, 3.3001), record("full", 9, 4)
    )
    text = detail_text(results, tmp_path)
    (heads,) = rows(text, "experiment")
    expected = ["experiment", "epochs", "parameters", "val/loss_free_padded", "others", "val/bleu", "minutes", "device"]
    assert heads == expected
    rest = ["1.5", "cpu, 2 threads"]
    assert rows(text, "lesson11") == [
        ["lesson11/rnn", "1 of 2", "12,345", "**3.300**", "3.596", "3.63", *rest],
        ["lesson11/attention", "1 of 2", "12,345", "**3.300**", "3.200", "6.50", *rest],
    ]
    assert rows(text, "full")[0][3:6] == ["4.000", "–", "**9.00**"]
    assert "*others*: A paper. Measured on giga_fren: not directly comparable with this table." in text


def test_different_runs_have_distinct_labels(tmp_path: Path) -> None:
    changed = record("lesson11/rnn", 1, 2, overrides=["model.cell=lstm"])
    text = detail_text(
        write_records(tmp_path, record("lesson11/rnn", 1, 2), record("lesson11/rnn", 2, 3, seed=7), changed), tmp_path
    )
    assert [row[0] for row in rows(text, "lesson11")] == [
        "lesson11/rnn, seed 1",
        "lesson11/rnn, seed 7",
        "lesson11/rnn model.cell=lstm",
    ]
    assert rows(text, "lesson11/rnn model")[0][4] == "–"  # the published number applies to the unchanged experiment


def test_data_sets_do_not_mix(tmp_path: Path) -> None:
    text = detail_text(write_records(tmp_path, record("a", 1, 2), record("a", 3, 4, dataset="multi30k")), tmp_path)
    assert "**" not in "".join(line for line in text.splitlines() if line.startswith("|"))
    assert text.index("## multi30k") < text.index("## tatoeba")


def test_the_origin_of_each_run_is_below_the_table(tmp_path: Path) -> None:
    text = detail_text(write_records(tmp_path, record("a", 1, 2, dirty=True, note="two runs\nat once")), tmp_path)
    assert "- **a**: seed 1, 2026-11-21, commit `0123456789ab` with uncommitted changes, torch 2.13.0" in text
    assert "  python train.py experiment=a\n" in text
    assert "  two runs at once\n" in text


def test_a_benchmark_has_its_tables(tmp_path: Path) -> None:
    results = write_records(tmp_path)
    (results / "benchmarks").mkdir()
    (results / "benchmarks" / "fast.json").write_text(json.dumps(BENCHMARK))
    text = detail_text(results, tmp_path)
    assert rows(text, "0.5") == [["0.5", "0.250", "1.500", "6.02", "6,400", "1,067", "40%", "900"]]
    assert rows(text, "`seqvise") == [["`seqvise --help`", "0.09"]]
    assert "A CPU, 4 cores, 2 threads, torch 2.13.0" in text
    assert "commit `fedcba987654` with uncommitted changes: `python -m benchmarks --json fast.json`" in text


def test_rendering_again_changes_nothing(tmp_path: Path) -> None:
    results, page = write_records(tmp_path, record("a", 1, 2), record("b", 2, 3)), tmp_path / "RESULTS.md"
    picture, stale = results / "pictures" / "tatoeba.svg", results / "pictures" / "gone.svg"
    translation, stale_page = (tmp_path / "docs" / "results" / f"{name}.md" for name in ("translation", "gone"))
    assert render(results, tmp_path) == [page, translation]
    files = page, translation, picture
    first = [file.read_bytes() for file in files]
    for file in (stale, stale_page):
        file.write_text("<svg/>")
    render(results, tmp_path)
    assert [file.read_bytes() for file in files] == first
    assert not stale.exists()
    assert not stale_page.exists()
    assert len(first[2]) < 100_000
    assert "![Learning curves on tatoeba, val/bleu and val/loss_free over epochs." in translation.read_text()
    assert "](../../results/pictures/tatoeba.svg)" in translation.read_text()


def test_the_summary_has_the_best_run_of_each_data_set(tmp_path: Path) -> None:
    worse, best, other = record("a", 1.5, 2), record("b", 2.25, 3), record("c", 0.5, 9, dataset="multi30k")
    text = summary_text(write_records(tmp_path, worse, best, other), tmp_path)
    assert [row[:4] for row in rows(text, "")[2:]] == [["multi30k", "c", "0.50", "2"], ["tatoeba", "b", "2.25", "2"]]
    assert "`python train.py experiment=b`" in text
    assert "experiment=a" not in text
    assert "(docs/results/translation.md)" in text


def test_language_models_and_classifiers_have_tables_of_their_own(tmp_path: Path) -> None:
    models = [
        record("lm", 0, 0, dataset="ptb", metrics={"val/ppl": value}, seed=seed)
        for seed, value in enumerate((90.0, 80.0))
    ]
    labels = record("labels", 0, 0, dataset="imdb", metrics={"val/accuracy": 0.875, "val/f1": 0.8, "val/ppl": 1.5})
    text = summary_text(write_records(tmp_path, *models, labels), tmp_path)
    assert [row[:3] for row in rows(text, "ptb")] == [["ptb", "lm", "80.00"]]
    assert [row[:3] for row in rows(text, "imdb")] == [["imdb", "labels", "87.5%"]]
    assert text.index("## Language models") < text.index("## Classification")
    assert "## Translation" not in text


def test_a_benchmark_has_a_row_in_the_summary(tmp_path: Path) -> None:
    results = write_records(tmp_path)
    (results / "benchmarks").mkdir()
    (results / "benchmarks" / "fast.json").write_text(json.dumps(BENCHMARK))
    command = "`python -m benchmarks --json fast.json`"
    assert rows(summary_text(results, tmp_path), "fast") == [["fast", "A CPU, 2 threads", "2026-11-22", command]]


def test_a_file_that_is_not_a_result_is_reported(tmp_path: Path) -> None:
    results = write_records(tmp_path)
    (results / "seed").mkdir()
    (results / "seed" / "odd.json").write_text('{"experiment": "x"}')
    (results / "seed" / "torn.json").write_text("{")
    with pytest.raises(UserError) as refused:
        detail_text(results, tmp_path)
    assert [f"{name}.json" in problem for name, problem in zip(("odd", "torn"), refused.value.messages, strict=True)]
    assert len(refused.value.messages) == 2
