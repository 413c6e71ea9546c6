"""`seqvise runs`, from words to a table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seqvise.cli.runs import main
from tests.reports.folders import make_run, running
from tests.reports.test_prune import SIZES, checkpoints_of, trained


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number, bleu in enumerate((10.0, 30.0, 20.0)):
        make_run(
            tmp_path / "outputs" / "runs" / "rnn" / str(number),
            {"optimizer": {"lr": 10.0**-number}},
            {"val/bleu": bleu},
            {"model": "rnn"},
            (f"optimizer.lr={10.0**-number}",),
            {"status": "ok", "started": 1000.0 * number, "written": 1000.0 * number + 50},
        )
    return tmp_path / "outputs"


@pytest.mark.usefixtures("outputs")
def test_the_best_are_listed_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sort=val/bleu", "limit=2", "where=model=rnn"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines[1:]] == ["runs/rnn/1", "runs/rnn/2"]
    assert "optimizer.lr=0.1" in lines[1]
    assert "val/bleu 30" in lines[1]


@pytest.mark.usefixtures("outputs")
def test_no_run_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where=model=full"]) == 0
    assert capsys.readouterr().out == "No run in outputs matches where=model=full.\n"


def test_two_runs_are_compared(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"compare={outputs / 'runs/rnn/0'}", f"compare={outputs / 'runs/rnn/1'}"]) == 0
    output = capsys.readouterr().out
    assert [line.split()[:3] for line in output.splitlines() if line.startswith("optimizer.lr")] == [
        ["optimizer.lr", "1", "0.1"]
    ]
    assert "environment: no difference" in output


def test_pruning_removes_only_with_really(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done, live = trained(tmp_path / "o" / "a"), trained(tmp_path / "o" / "b", running())
    words = [f"folder={tmp_path / 'o'}", "prune=best"]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert f"would remove {done / 'checkpoints' / 'last.ckpt'}\n" in output
    assert f"skipped: {live}: its status is running\n" in output
    assert output.endswith(
        "would remove 3 checkpoints, 27 bytes\nNothing was removed. Add really=true to remove them.\n"
    )
    assert checkpoints_of(done) == checkpoints_of(live) == set(SIZES)

    assert main([*words, "really=true", "where=status=running"]) == 0
    assert checkpoints_of(done) == checkpoints_of(live) == set(SIZES)

    capsys.readouterr()
    assert main([*words, "really=true"]) == 0
    assert capsys.readouterr().out.endswith("removed 3 checkpoints, 27 bytes\n")
    assert (checkpoints_of(done), checkpoints_of(live)) == ({"best.ckpt"}, set(SIZES))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["folder=nowhere"], "folder=nowhere does not exist: set it to a folder of runs, such as folder=outputs."),
        (["limit=0"], "limit is 0, but must be at least 1."),
        (["really=true"], "really=true is only for prune="),
        (["prune=best", "compare=a"], "compare= and prune= cannot be combined"),
        (["prune=all"], "prune is 'all', but must be one of best, best+last"),
        (["sort=val/blue"], "sort=val/blue: no run has this metric; known are val/bleu"),
        (["where=modell=rnn"], "no run has the key modell; known are model"),
        (["compare=outputs/runs/rnn/0"], "needs another run"),
    ],
)
@pytest.mark.usefixtures("outputs")
def test_invalid_options_are_refused(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert main(argv) == 2
    assert message in capsys.readouterr().err


def test_a_corrupt_file_is_no_traceback(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (outputs / "runs" / "rnn" / "0" / "status.json").write_text("{")
    assert main([]) == 0
    captured = capsys.readouterr()
    assert "unreadable: " in captured.out
    assert "Traceback" not in captured.err


def test_the_list_needs_no_torch(outputs: Path) -> None:
    program = (
        "import json, sys; from seqvise.cli.runs import main; main(sys.argv[1:]); print(json.dumps([*sys.modules]))"
    )
    words = [sys.executable, "-c", program, f"folder={outputs}"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"torch", "matplotlib", "sklearn", "tensorboard", "numpy"}
