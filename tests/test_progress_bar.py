"""Progress of long preparations, in a terminal and elsewhere, and the lines of libraries in C++."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from seqvise.progress_bar import _Lines, counting

TWO_CALLS = """
from seqvise.progress_bar import counting
with counting("drawing", "pictures") as count:
    count(10, 40)
    count(40, 40)
"""
NO_CALL = """
from seqvise.progress_bar import counting
with counting("drawing", "pictures"):
    pass
"""
LIBRARY = """
import logging, os, sys
from seqvise.progress_bar import counting, filtered_stderr
logging.basicConfig()
seen = []
with counting("words", "words") as count, filtered_stderr(lambda line: not line or line.startswith("Progress")):
    os.write(2, b"Progress: 1%\\rProgress: 2%\\n")
    count(1, 2)
    os.write(2, b"no space left\\n")
    logging.warning("a warning")
    print("by Python", file=sys.stderr)
    count(2, 2)
print("after", file=sys.stderr)
"""


def in_terminal(program: str) -> str:
    """What a program prints if its standard error is a terminal."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", program], stderr=terminal, env=os.environ | {"TERM": "xterm"})
    os.close(terminal)
    text = b""
    try:
        while part := os.read(screen, 4096):
            text += part
    except OSError:  # the program has ended
        pass
    os.close(screen)
    assert process.wait() == 0, text
    return text.decode()


def test_a_terminal_shows_a_bar_with_the_total() -> None:
    text = in_terminal(TWO_CALLS)
    assert "drawing" in text
    assert "40/40 pictures" in text


def test_nothing_is_shown_of_cached_work() -> None:
    assert in_terminal(NO_CALL) == ""


def test_elsewhere_lines_become_rarer(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines after 5, 10, 20, 40, 80 and 140 seconds; the first call, at second 0, has 20 of 1,000 items."""
    second = 0
    lines = _Lines("features", "images", clock=lambda: second)
    for second in range(151):
        lines(20 + 4 * second, 1000)
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "features: 40/1,000 images, 4.0 per second, eta 0:04:00"
    assert [int(line.split()[1].split("/")[0]) for line in shown] == [20 + 4 * at for at in (5, 10, 20, 40, 80, 140)]


def test_a_short_task_prints_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    with counting("features", "images") as count:
        count(1, 2)
        count(2, 2)
    assert capsys.readouterr().err == ""


def test_lines_of_a_library_are_filtered_and_all_others_are_kept() -> None:
    done = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True)
    assert sorted(done.stderr.splitlines()) == ["WARNING:root:a warning", "after", "by Python", "no space left"]
    text = in_terminal(LIBRARY)
    assert "Progress" not in text
    assert all(line in text for line in ("a warning", "by Python", "no space left", "2/2 words", "after"))
