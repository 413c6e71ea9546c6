"""The statistics and warnings that `seqvise prepare` prints."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from seqvise.cli.prepare import show
from seqvise.corpus.parallel.report import CorpusReport, FilterCounts, SideReport
from seqvise.corpus.tokens.options import TokenizerOptions


def table_rows(lines: Sequence[str]) -> list[list[str]]:
    return [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines if line[:1] in ("│", "┃")]


def test_drops_faults_and_warnings_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    side = SideReport("fr", 10, 9, 100, 0.5, {50: 3}, None)
    inputs = {"train": FilterCounts(1234, {"an empty side": 7}, {"carriage returns": 5}), "valid": FilterCounts(20)}
    show(CorpusReport(inputs, {"train": 1227, "valid": 20}, side, side, ("The sides look swapped.",)), Path("store"))
    lines = capsys.readouterr().out.splitlines()
    columns = list(zip(*table_rows(lines[:8]), strict=True))
    assert columns == [
        ("input", "pairs read", "dropped: an empty side", "carriage returns"),
        ("data.train", "1,234", "7", "5"),
        ("data.valid", "20", "0", "0"),
    ]
    assert lines[-2:] == ["warning: The sides look swapped.", "store: store"]


@pytest.mark.parametrize("width", [72, 80, 120])
def test_nothing_is_cut_with_many_reasons(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    side = SideReport("fr", 10, 9, 100, 0.5, {50: 3}, None)
    reasons = {f"a reason with a long name, number {number}": 10**number for number in range(12)}
    show(CorpusReport({"train": FilterCounts(10**12, reasons)}, {"train": 1}, side, side, ()), Path("store"))
    output = capsys.readouterr().out
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= width
    for reason, count in reasons.items():
        assert [f"dropped: {reason}", f"{count:,}"] in table_rows(output.splitlines())


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("words", "words"),
        ("spacy", "words"),
        ("spaces", "words"),
        ("sentencepiece", "sub-words"),
        ("chars", "characters"),
    ],
)
def test_tokens_are_called_by_their_names(name: str, units: str, capsys: pytest.CaptureFixture[str]) -> None:
    side = SideReport("fr", 10, 9, 100, 0.5, {50: 3}, None)
    show(CorpusReport({}, {}, side, side, ()), Path("store"), TokenizerOptions(name=name).units)
    names = [row[0] for row in table_rows(capsys.readouterr().out.splitlines())]
    assert f"distinct {units}" in names
    assert f"out-of-vocabulary {units} in validation" in names
    assert f"length in {units}, 50 % of sentences up to" in names
