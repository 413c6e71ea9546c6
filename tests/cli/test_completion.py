"""Completion in the shell: candidates of each kind of word, and the scripts in real shells."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqvise.cli.completion import SCRIPTS, candidates
from seqvise.cli.main import main
from seqvise.cli.support.commands import COMMANDS


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], list(COMMANDS)),
        (["tra"], ["train", "translate"]),
        (["trian", "mod"], []),
        (["train", "mod"], ["model.", "model="]),
        (["train", "model=at"], ["model=attention"]),
        (["train", "-m", "model=rnn,at"], ["model=rnn,attention"]),
        (["train", "model=rnn", "model.drop"], ["model.dropout."]),
        (["train", "model.dropout.s"], ["model.dropout.scale=", "model.dropout.source=", "model.dropout.state="]),
        (["train", "model=transformer", "model.feed"], ["model.feed_forward="]),
        (["train", "modle=3", "model=at"], ["model=attention"]),
        (["train", "dry_run="], ["dry_run=false", "dry_run=true"]),
        (["train", "experiment=lesson11/a"], ["experiment=lesson11/attention"]),
        (["tune", "tune.tri"], ["tune.trials="]),
        (["translate", "ru"], ["run="]),
        (["translate", "format="], ["format=json", "format=text"]),
        (["translate", "weights="], ["weights=false", "weights=true"]),
    ],
)
def test_words_are_completed(words: list[str], expected: list[str]) -> None:
    assert candidates(words) == expected


def test_values_are_completed_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "rules.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert candidates(["translate", "run=ru"]) == ["run=rules.txt", "run=runs/"]
    assert candidates(["train", "data.root=run"]) == ["data.root=runs/"]


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"verify", "completion"}))
def test_every_command_has_keys(command: str) -> None:
    assert [word for word in candidates([command, ""]) if word[-1] in "=."]


def test_hydra_s_way_to_install_gives_the_same_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-sc", "install=bash"]) == 0
    assert capsys.readouterr().out == SCRIPTS["bash"]


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash|zsh|fish" in capsys.readouterr().err


TYPED = {
    "bash": """
compopt() { :; }
COMP_LINE="seqvise train model=at"; COMP_POINT=${#COMP_LINE}
_seqvise
echo "${COMPREPLY[@]}"
""",
    "zsh": """
compadd() { echo ${@[-1]#model=} }
words=(seqvise train model=at); CURRENT=3
_seqvise
""",
    "fish": "complete -C 'seqvise train model=at' | string replace model= ''\n",
}


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_completes_in_a_real_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = tmp_path / "seqvise"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m seqvise.cli.main "$@"\n')
    command.chmod(0o755)
    head = "compdef() { :; }\n" if shell == "zsh" else ""
    script = f"{head}{SCRIPTS[shell]}{TYPED[shell]}"
    (file := tmp_path / "script").write_text(f"set -x PATH {tmp_path} $PATH\n{script}" if shell == "fish" else script)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run(
        [shutil.which(shell) or shell, str(file)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.stdout.split() == ["attention"], result.stderr
