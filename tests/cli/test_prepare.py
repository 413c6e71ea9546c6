"""The statistics and warnings that `seqvise prepare` prints."""

from pathlib import Path

import pytest

from seqvise.cli.prepare import show
from seqvise.corpus.parallel.report import CorpusReport, FilterCounts, SideReport


def test_drops_faults_and_warnings_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    side = SideReport("fr", 10, 9, 100, 0.5, {50: 3}, None)
    inputs = {"train": FilterCounts(1234, {"an empty side": 7}, {"carriage returns": 5}), "valid": FilterCounts(20)}
    show(CorpusReport(inputs, {"train": 1227, "valid": 20}, side, side, ("The sides look swapped.",)), Path("store"))
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "data." in line]
    assert rows == [["data.train", "1,234", "7", "5"], ["data.valid", "20", "0", "0"]]
    heads = next(line for line in lines if "pairs read" in line)
    assert "dropped: an empty side" in heads
    assert "carriage returns" in heads
    assert lines[-2:] == ["warning: The sides look swapped.", "store: store"]
