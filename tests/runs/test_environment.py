"""What a run says of the code that it ran."""

import subprocess
from pathlib import Path

import pytest

from seqvise.runs.environment import environment
from tests.callbacks.tiny import trainer_for


def git(*words: str) -> None:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


def test_changes_since_the_revision_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = Path("model.py")
    code.write_text("layers = 1\n", encoding="utf-8")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    trainer = trainer_for(tmp_path / "run")
    Path("notes.txt").write_text("of no matter", encoding="utf-8")
    clean = environment(trainer)["git"]
    assert (len(clean["revision"]), clean["diff"]) == (40, "")
    code.write_text("layers = 2\n", encoding="utf-8")
    assert "+layers = 2" in environment(trainer)["git"]["diff"]
    new = Path("conf") / "mine.yaml"
    new.parent.mkdir()
    found = set()
    for text in ("lr: 1", "lr: 2"):
        new.write_text(text, encoding="utf-8")
        found.add(environment(trainer)["git"]["diff"].splitlines()[-1])
    assert len(found) == 2
    assert all(line.startswith("?? conf/mine.yaml ") for line in found)


def test_without_a_repository_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment(trainer_for(tmp_path))["git"] == {"revision": None, "diff": None}
