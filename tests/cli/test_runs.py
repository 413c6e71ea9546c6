"""`seqvise runs`, from words to a table."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from contextlib import suppress
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
    assert [line.split("\t")[0] for line in lines[1:]] == ["runs/rnn/1", "runs/rnn/2"]
    assert "optimizer.lr=0.1" in lines[1]
    assert "val/bleu 30" in lines[1]


@pytest.mark.usefixtures("outputs")
def test_no_run_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["where=model=full"]) == 0
    assert capsys.readouterr().out == "No run in outputs matches where=model=full.\nmodel is rnn in 3.\n"


def in_terminal(columns: int, *argv: str) -> list[str]:
    """The lines that `seqvise runs` prints in a terminal of a width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    program = "import sys; from seqvise.cli.runs import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *argv],
        stdin=theirs,
        stdout=theirs,
        env={**environment, "TERM": "dumb"},
    )
    os.close(theirs)
    output = b""
    with suppress(OSError):  # Linux reports the end of a terminal as an error
        while block := os.read(ours, 1 << 16):
            output += block
    os.close(ours)
    assert process.wait() == 0
    return [line.rstrip() for line in output.decode().splitlines()]


@pytest.mark.parametrize("columns", [80, 110, 120])
def test_a_run_is_one_line_of_a_terminal(outputs: Path, columns: int) -> None:
    why = "CUDA out of memory while allocating 1 GiB; " * 10
    failed = {"status": "failed", "started": 5000.0, "written": 5010.0, "why": why}
    words = tuple(f"model.layers_{number}=100" for number in range(30))
    make_run(outputs / "runs" / "transformer" / "2026-11-30_09-01-06_123456", overrides=words, status=failed)
    lines = in_terminal(columns)
    names = ["runs/transformer/2026-11-30_09-01-06_123456", "runs/rnn/2", "runs/rnn/1", "runs/rnn/0"]
    assert [line.split()[0] for line in lines[: len(names) + 1]] == ["run", *names]
    assert max(map(len, lines)) <= columns
    assert "failed:" in lines[1]
    assert "…" in lines[1]
    assert "val/bleu 20" in lines[2]
    assert len(lines) <= len(names) + 2


def test_a_pipe_receives_uncut_tab_separated_values(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = "a\tlong reason " * 100
    make_run(outputs / "failed", status={"status": "failed", "started": 5000.0, "written": 5010.0, "why": why})
    assert main([]) == 0
    head, first, *rest = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert head == ["run", "score", "status", "changed", "model", "duration", "date", "device"]
    assert first[:3] == ["failed", "", "failed: " + " ".join(why.split())]
    assert {len(line) for line in (head, first, *rest)} == {8}


def test_a_comparison_fits_into_the_terminal(outputs: Path) -> None:
    long = make_run(outputs / "a_long_name_of_a_run_directory", {"optimizer": {"lr": 3.0, "name": "x" * 200}})
    lines = in_terminal(80, f"compare={outputs / 'runs/rnn/0'}", f"compare={long}")
    assert max(map(len, lines)) <= 80
    assert any(line.split() == ["optimizer.lr", "1", "3"] for line in lines)


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
    assert f"would keep {done / 'checkpoints' / 'best.ckpt'}\nwould remove" in output
    assert "would keep 1 checkpoint\n" in output
    assert f"skipped: {live}: its status is running\n" in output
    assert output.endswith(
        "would remove 3 checkpoints, 27 bytes\nNothing was removed. Add really=true to remove them.\n"
    )
    assert checkpoints_of(done) == checkpoints_of(live) == set(SIZES)

    assert main([*words, "really=true", "where=status=running"]) == 0
    assert f"skipped: {live}" in capsys.readouterr().out
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
