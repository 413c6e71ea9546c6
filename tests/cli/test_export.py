"""``seqvise export``: its output, and invalid input that is refused before torch is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqvise.cli.export import main
from seqvise.export import options
from tests.runs.made import make_run


def test_files_are_printed_and_the_folder_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, folder = make_run(tmp_path / "run", "model=rnn"), tmp_path / "made"
    assert main([f"run={run}", f"output={folder}", "format=torch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"encoder.pt2: {(folder / 'encoder.pt2').stat().st_size:,} bytes"
    assert lines[-1] == f"folder: {folder}"


def test_invalid_exports_are_reported_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", "model=rnn")
    (tmp_path / "file").touch()
    monkeypatch.setitem(options.PACKAGES, "onnx", ("no_such_onnx", "nor_runtime"))
    for words, parts in (
        ([f"run={run}", f"output={run}", "format=ONNX"], ["format is 'ONNX', but must be one of", "already exists"]),
        ([f"run={run}", f"output={tmp_path / 'new'}"], ["format is onnx, which needs no_such_onnx and nor_runtime"]),
        ([f"run={run}", f"output={tmp_path / 'file' / 'new'}", "format=torch"], ["file is a file"]),
        ([f"run={tmp_path}", f"output={tmp_path / 'new'}", "format=torch"], ["is not a run directory"]),
        ([], ["run=... is missing", "output=... is missing"]),
    ):
        assert main(words) == 2
        refused = capsys.readouterr().err
        assert [part for part in parts if part not in refused] == []
        assert not (tmp_path / "new").exists()


def test_a_wrong_format_is_refused_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from seqvise.cli.export import main; "
        f"assert main(['run=a', 'output={tmp_path}/b', 'format=c']) == 2; assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
