"""What the benchmarks write is what the page reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import parser, shown_command
from benchmarks.machine import code, machine
from benchmarks.start_up import measure_start_up
from results.speed import speed_section
from seqvise.errors import UserError


def test_machine_and_code_have_what_the_page_names() -> None:
    found = machine()
    assert found["processor"]
    assert found["cores"] >= 1
    assert set(found) >= {"processor", "cores", "threads", "torch", "python", "load"}
    assert set(code()) == {"commit", "dirty", "date"}


def test_commands_answer_and_are_timed() -> None:
    helped, refused = measure_start_up(1)
    assert (helped["command"], helped["exit_code"], refused["exit_code"]) == ("seqvise --help", 0, 2)
    assert 0 < helped["seconds"] < 60


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--json", "results/benchmarks/a.json"], "python -m benchmarks --json results/benchmarks/a.json"),
        (["--quick", "--json", "/some/where/a.json"], "python -m benchmarks --json a.json --quick"),
    ],
)
def test_the_command_names_no_folder_of_the_machine(words: list[str], shown: str) -> None:
    assert shown_command(parser().parse_args(words)) == shown


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"machine": {}}')
    with pytest.raises(UserError, match="not a file of `python -m benchmarks --json`"):
        speed_section(tmp_path / "x.json")
