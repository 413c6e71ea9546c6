"""The code revision and changes that a run records."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.files import digest
from seqvise.reports.environments import code_revision
from seqvise.runs.directory import RunDirectory
from seqvise.runs.environment import CodeChanges, code_changes, environment
from seqvise.training.fit import write_environment
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
    clean = environment(trainer, code_changes())["git"]
    assert (len(clean["revision"]), clean["changes"], clean["files"]) == (40, "", [])
    code.write_text("layers = 2  # password=secret\n", encoding="utf-8")
    changes = code_changes()
    assert "+layers = 2" in str(changes.text)
    kept = environment(trainer, changes)
    assert kept["git"] == {"revision": clean["revision"], "files": ["model.py"], "changes": digest(str(changes.text))}
    assert "secret" not in json.dumps(kept)
    new = Path("conf") / "mine.yaml"
    new.parent.mkdir()
    lines = set()
    for text in ("lr: 1", "lr: 2"):
        new.write_text(text, encoding="utf-8")
        lines.add(str(code_changes().text).splitlines()[-1])
    assert code_changes().names == ("model.py", "conf/mine.yaml")
    assert len(lines) == 2
    assert all(line.startswith("?? conf/mine.yaml ") for line in lines)


@pytest.mark.parametrize("keep", [True, False])
def test_only_the_owner_can_read_the_file_of_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    changes = CodeChanges("+password = 'secret'", ("model.py",))
    monkeypatch.setattr("seqvise.training.fit.code_changes", lambda: changes)
    run = tmp_path / "run"
    config = typed(compose(["paths.run=here", f"keep_changes={keep}"]))
    write_environment(RunDirectory(run), config, trainer_for(tmp_path / "other"))
    files = {path.name: path for path in run.iterdir()}
    assert set(files) == ({"env.json", changes.file} if keep else {"env.json"})
    assert "secret" not in files["env.json"].read_text(encoding="utf-8")
    if keep:
        assert files[changes.file].read_text(encoding="utf-8") == "+password = 'secret'\n"
        assert stat.S_IMODE(files[changes.file].stat().st_mode) == 0o600


def test_changes_are_named_alike_however_they_were_kept() -> None:
    diff = "+layers = 2"
    earlier, now = ({"revision": "a" * 40, **kept} for kept in ({"diff": diff}, {"changes": digest(diff)}))
    assert code_revision({"git": earlier}) == code_revision({"git": now}) == f"aaaaaaaa with changes {digest(diff, 6)}"
    for clean in ({"diff": ""}, {"changes": ""}, {"diff": None}, {"changes": None}):
        assert code_revision({"git": {"revision": "a" * 40, **clean}}) == "aaaaaaaa"


def test_without_a_repository_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    git = environment(trainer_for(tmp_path), code_changes())["git"]
    assert git == {"revision": None, "files": [], "changes": None}
