"""Partly written files of killed processes are removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seqvise.files import atomic_folder, remove_stale, remove_temporary
from seqvise.outputs import write_output
from seqvise.runs.resume import last_checkpoint

WRITERS = {
    "folder": "from seqvise.files import atomic_folder as write",
    "file": "from seqvise.outputs import output_file as write",
}


@pytest.mark.parametrize("kind", WRITERS)
def test_the_next_writer_removes_temporary_files_of_a_killed_one(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "a[1]*"
    script = f"{WRITERS[kind]}\nimport os, sys\nfrom pathlib import Path\n"
    script += "with write(Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)\n"
    killed = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name.startswith(".a[1]*.") for path in tmp_path.iterdir()] == [True]
    if kind == "folder":
        with atomic_folder(target) as folder:
            (folder / "file").write_text("text")
    else:
        write_output(target, "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a[1]*"]


def test_the_files_of_running_processes_are_kept(tmp_path: Path) -> None:
    living, other = tmp_path / f".a.{os.getppid()}.tmp", tmp_path / ".ab.999999999.tmp"
    dead, unknown = tmp_path / ".a.99999999.tmp", tmp_path / ".a.notes.tmp"
    for path in (living, other, dead, unknown):
        path.touch()
    remove_stale(tmp_path / "a")
    assert sorted(tmp_path.iterdir()) == sorted([living, other, unknown])


def test_a_resumed_run_has_no_temporary_files(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "assets" / ".words.xyz.12.tmp").mkdir(parents=True)
    for name in (".status.json.12.tmp", "checkpoints/.last.ckpt.12.tmp", "assets/.labels.json.12.tmp"):
        (tmp_path / name).touch()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoints" / "last.ckpt"
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["assets", "checkpoints", "last.ckpt"]


def test_temporary_files_are_removed_from_subfolders(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    for name in (".a.1.tmp", "part/.b.2.tmp", "part/kept.tmp"):
        (tmp_path / name).touch()
    remove_temporary(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["kept.tmp", "part"]
