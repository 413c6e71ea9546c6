"""Files that the user names: devices, pipes, links, owners and modes are preserved. Tests create their own nodes."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seqvise.cli.support.lines import writing
from seqvise.errors import UserError
from seqvise.outputs import output_file, unwritable, write_output


def names(folder: Path) -> list[str]:
    """The names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.open("wb").close()
    except OSError:
        pytest.skip("No permission to create or open a device.")
    write_output(device, "text")
    assert stat.S_ISCHR(device.stat().st_mode)
    assert names(tmp_path) == ["null"]


def test_a_pipe_is_written_to_as_lines_come(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    first = threading.Event()

    def read() -> None:
        with pipe.open("rb") as file:
            for line in file:
                received.append(line)
                first.set()

    reader = threading.Thread(target=read)
    reader.start()
    with writing(str(pipe)) as file:
        file.write(b"1\n")
        file.flush()
        assert first.wait(20)
        file.write(b"2\n")
    reader.join(20)
    assert received == [b"1\n", b"2\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_standard_output_and_process_substitution(tmp_path: Path) -> None:
    script = "from seqvise.outputs import write_output; from pathlib import Path; import sys; "
    script += "write_output(Path(sys.argv[1]), 'middle\\n')"
    command = f'{{ echo first; "{sys.executable}" -c "{script}" /dev/stdout; echo last; }} > {tmp_path}/all.txt'
    subprocess.run(["bash", "-c", command], check=True)
    assert (tmp_path / "all.txt").read_text() == "first\nmiddle\nlast\n"
    command = f'"{sys.executable}" -c "{script}" >(cat > {tmp_path}/fifo.txt) && wait $!'
    subprocess.run(["bash", "-c", command], check=True)
    assert (tmp_path / "fifo.txt").read_text() == "middle\n"


def test_links_are_followed_to_existing_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("there", "new"):
        (tmp_path / name).symlink_to(Path("folder") / f"{name}.txt")
    (tmp_path / "folder" / "there.txt").write_text("before, and longer")
    for name in ("there", "new"):
        write_output(tmp_path / name, "after")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "folder" / f"{name}.txt").read_text() == "after"
    assert names(tmp_path / "folder") == ["new.txt", "there.txt"]


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")
    assert unwritable(tmp_path / "a") == "it is a link to itself"
    with pytest.raises(UserError, match="cannot be written"), writing(str(tmp_path / "a")):
        pass


def test_a_hard_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before, and longer")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    write_output(tmp_path / "a", "after")
    assert (tmp_path / "b").read_text() == "after"
    assert (tmp_path / "a").samefile(tmp_path / "b")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_of_a_file_is_preserved(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "a"
    file.write_text("before")
    file.chmod(mode)
    inode = file.stat().st_ino
    with output_file(file) as stream:
        stream.write(b"after")
        hidden = [path for path in tmp_path.iterdir() if path != file]
        assert stat.S_IMODE(hidden[0].stat().st_mode) == mode  # never readable by others, not even temporarily
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("after", mode)
    assert file.stat().st_ino != inode  # renamed, so that a crash leaves the old content


def test_the_owner_of_a_file_is_preserved(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("before, and longer")
    try:
        os.chown(file, 12345, 12345)
    except PermissionError:
        pytest.skip("No permission to change a file's owner.")
    write_output(file, "after")
    assert (file.read_text(), file.stat().st_uid) == ("after", 12345)


@pytest.mark.parametrize("links", [1, 2])
def test_a_failure_leaves_the_file_unchanged(tmp_path: Path, links: int) -> None:
    file = tmp_path / "a"
    file.write_text("before")
    if links == 2:
        (tmp_path / "b").hardlink_to(file)

    def fail() -> None:
        with output_file(file) as stream:
            stream.write(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert file.read_text() == "before"
    assert names(tmp_path) == ["a", "b"][:links]


def test_a_target_that_cannot_be_renamed_onto_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_text("before, and longer")

    def busy(*_: Path) -> Path:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)  # as for a file that is a mount point
    write_output(file, "after")
    assert file.read_text() == "after"
    assert names(tmp_path) == ["a"]


def test_one_missing_folder_is_created_and_two_are_refused(tmp_path: Path) -> None:
    write_output(tmp_path / "one" / "file", "text")
    assert (tmp_path / "one" / "file").read_text() == "text"
    assert unwritable(tmp_path / "two" / "file") == ""
    for path in (tmp_path / "two" / "more" / "file", tmp_path / "two" / "more" / "and" / "file"):
        with pytest.raises(UserError, match="is missing"):
            write_output(path, "text")
        assert "is missing" in unwritable(path)
    assert names(tmp_path) == ["one"]


def test_a_folder_created_for_a_file_is_removed_with_it(tmp_path: Path) -> None:
    def fail() -> None:
        with output_file(tmp_path / "one" / "file"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path) == []


def test_an_existing_file_in_a_read_only_folder_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / "shut" / "a"
    file.parent.mkdir()
    file.write_text("before")
    file.parent.chmod(0o500)
    try:
        write_output(file, "after")
        assert unwritable(file) == ""
        assert file.read_text() == "after"
    finally:
        file.parent.chmod(0o700)
