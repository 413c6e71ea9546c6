"""Exit codes."""

import errno
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqvise.cli.main import main
from seqvise.cli.support.exit_codes import exit_code
from seqvise.errors import UserError


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("wrong"), 2),
        (RuntimeError("broken"), 1),
        (KeyboardInterrupt(), 130),
        (SystemExit(), 0),
        (SystemExit(3), 3),
        (SystemExit("message"), 1),
    ],
)
def test_each_end_has_its_code(error: BaseException, code: int) -> None:
    assert exit_code(raising(error)) == code


def test_an_interrupt_that_lightning_turned_into_an_exit_is_an_interrupt() -> None:
    def command() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    assert exit_code(command) == 130


def test_a_full_disk_and_an_unwritable_folder_have_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(raising(OSError(errno.ENOSPC, "No space left on device", "/cache/x"))) == 1
    assert exit_code(raising(PermissionError(errno.EACCES, "Permission denied", "/cache"))) == 1
    assert exit_code(raising(OSError(errno.ENOSPC, "No space left on device"))) == 1
    assert capsys.readouterr().err.splitlines() == [
        "seqvise: /cache/x: No space left on device; free disk space, and run the command again.",
        "seqvise: /cache: Permission denied; choose a writable folder, or change its permissions, and run the command "
        "again.",
        "seqvise: No space left on device; free disk space, and run the command again.",
    ]


def test_another_error_of_the_system_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(raising(OSError(errno.EIO, "Input/output error"))) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_user_error_has_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(raising(UserError("One thing.", "Another.")))
    assert capsys.readouterr().err == "seqvise: One thing.\nseqvise: Another.\n"


def test_an_unknown_command_is_refused_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert "did you mean 'train'?" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    assert all(f"  {name} " in output for name in ("train", "prepare", "find_lr", "translate"))


def test_a_log_ends_with_its_command(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level

    def command() -> None:
        root.addHandler(logging.FileHandler(tmp_path / "train.log"))
        root.setLevel(logging.DEBUG)
        logging.info("of the command")

    exit_code(command)
    assert (list(root.handlers), root.level) == before
    logging.error("of another")
    assert (tmp_path / "train.log").read_text() == "of the command\n"
