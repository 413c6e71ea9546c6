"""`seqvise report`, from words to files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from seqvise.cli.report import main
from seqvise.reports import folder as writing
from tests.reports.events import write_events
from tests.reports.folders import make_run, rates

FILES = {"report.csv", "report.md", "report.html"}


class Page(HTMLParser):
    """The pictures, the cells and the outside parts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.cells: list[str] = []
        self.outside: list[str] = []
        self.scrolled: list[str] = []
        self.within: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.sources += [named["src"] or ""] if tag == "img" else []
        wide = self.within == "scroll" and tag in ("table", "img")
        self.scrolled += [tag] if wide else []
        self.within = named.get("class")
        self.outside += [tag] if tag in ("link", "script", "iframe") or "href" in named else []

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Eight rates by two models, one job failed."""
    folder = tmp_path / "sweep"
    for number in range(16):
        model, rate = ("rnn", "full")[number % 2], 10.0 ** -(number // 2)
        run = make_run(
            folder / str(number),
            {"optimizer": {"lr": rate}, "note": "<b>" if model == "rnn" else "b"},
            None if number == 3 else {"val/bleu": float(number), "test/bleu": number / 2},
            {"model": model},
            (f"model={model}", f"optimizer.lr={rate}"),
            {"status": "failed", "why": "loss < NaN"} if number == 3 else None,
        )
        write_events(run, "val/bleu", [(10, 1.0), (20, 2.0)])
    return folder


def test_everything_is_written(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    output = tmp_path / "new" / "report"
    assert main([f"sweep={sweep}", f"output={output}", "heat=model, optimizer.lr"]) == 0
    figures = {"curves.svg", "parallel.svg", "heat.svg", "importance.svg"}
    assert {path.name for path in output.iterdir()} == FILES | figures
    printed = capsys.readouterr().out
    assert printed.startswith("16 configurations, 15 of 16 jobs done, largest val/bleu first\n")
    assert printed.endswith(f"report: {output / 'report.html'}\n")
    assert "loss < NaN" in printed
    page = Page((output / "report.html").read_text(encoding="utf-8"))
    assert len(page.sources) == 4
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert page.outside == []
    assert {"<b>", "loss < NaN", "15"} <= set(page.cells)
    assert f"The folder of each job is in {sweep}." in page.cells
    assert "val/ metrics are those of each job's best validation epoch, by val/bleu." in page.cells
    assert page.scrolled == ["table", "table", "img", "img", "img", "img", "table"]
    text = (output / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# Sweep sweep")
    assert all(f"]({name})" in text for name in figures)
    assert "Out-of-bag R²" in text
    lines = list(csv.DictReader((output / "report.csv").open(encoding="utf-8")))
    assert [line["val/bleu"] for line in lines[:2]] == ["15.0", "14.0"]
    assert lines[-1]["states"] == "1 failed"


def test_without_matplotlib_tables_are_written(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writing, "find_spec", {}.get)
    assert main([f"sweep={sweep}", f"output={tmp_path / 'out'}"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert "pip install 'seqvise[report]'" in caplog.text


def test_a_sweep_that_has_only_failed_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = rates(tmp_path / "s", {(0.1, 0): None, (0.2, 0): None})
    assert main([f"sweep={sweep}", f"output={tmp_path / 'out'}"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert "0 of 2 jobs done" in capsys.readouterr().out


def test_a_corrupt_file_is_no_traceback(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sweep / "0" / "metrics.json").write_text("{'")
    (sweep / "1" / "config.yaml").write_text("a: [")
    assert main([f"sweep={sweep}"]) == 0
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert f"{sweep / '0' / 'metrics.json'} cannot be read" in captured.out
    assert f"{sweep / '1' / 'config.yaml'} cannot be read" in captured.out


def test_a_folder_without_a_job_that_can_be_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s" / "0" / ".hydra").mkdir(parents=True)
    make_run(tmp_path / "s" / "1").joinpath("config.yaml").write_text("a: [")
    assert main([f"sweep={tmp_path / 's'}", f"output={tmp_path / 'out'}"]) == 2
    assert not (tmp_path / "out").exists()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"sweep={tmp_path / 's'} has no job with a readable config (0: never started; 1: " in captured.err
    assert "config.yaml cannot be read" in captured.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "sweep=... is missing"),
        (["sweep=nowhere"], "sweep=nowhere does not exist."),
        (["sweep=sweep", "mode=best"], "mode is 'best', but must be one of max, min."),
        (["sweep=sweep", "heat=model"], "heat is 'model', but must be two keys"),
        (["sweep=sweep", "heat=model,lr"], "add output=FOLDER"),
        (
            ["sweep=sweep", "output=o", "heat=model,seed"],
            "heat: seed does not differ between jobs; choose from model, optimizer.lr",
        ),
        (["sweep=sweep", "output=sweep/0/config.yaml"], "is a file, but must be a folder."),
        (["sweep=sweep", "output=sweep/0/config.yaml/o"], "cannot be written"),
        (["sweep=sweep", "metric=val/blue"], "metric=val/blue: no job has it; known are val/bleu, test/bleu."),
    ],
)
@pytest.mark.usefixtures("sweep")
def test_invalid_options_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_the_table_needs_no_torch(sweep: Path) -> None:
    program = (
        "import json, sys; from seqvise.cli.report import main; main(sys.argv[1:]); print(json.dumps([*sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program, f"sweep={sweep}"], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"torch", "matplotlib", "tensorboard"}
    heads = ["val/bleu", "model", "optimizer.lr", "note", "test/bleu", "n", "jobs", "folder"]
    assert done.stdout.splitlines()[5].split() == heads
