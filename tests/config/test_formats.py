"""A config keeps the meaning it had when it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqvise.config import formats
from seqvise.config.formats import Former, load_config, numbered, upgrade
from seqvise.errors import UserError
from tests.earlier import EARLIER


@pytest.fixture
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of two formats, whatever the real one holds."""
    monkeypatch.setattr(formats, "FORMAT", 3)
    old = (
        Former("data.draw", "first", where=("data.kind", ("parallel",)), changes="Draws differ."),
        Former("loss.power", 2),
    )
    monkeypatch.setattr(formats, "FORMER", {1: old, 2: (Former("data.unit", "words"),)})


@pytest.mark.usefixtures("_table")
def test_each_format_adds_what_later_ones_named(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("data: {kind: parallel}\nloss: {power: 1}\n")
    assert load_config(file) == {"data": {"kind": "parallel", "draw": "first", "unit": "words"}, "loss": {"power": 1}}
    assert formats.changes(file) == ["Draws differ."]
    file.write_text("format: 2\ndata: {kind: parallel}\n")
    assert load_config(file) == {"data": {"kind": "parallel", "unit": "words"}}
    assert formats.changes(file) == []
    plain = {"data": {"kind": "images"}, "loss": {}}
    upgrade(plain, file)
    assert plain == {"data": {"kind": "images", "unit": "words"}, "loss": {"power": 2}}


def test_a_config_of_this_revision_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(numbered("data: {kind: parallel}\n"))
    assert load_config(file) == {"data": {"kind": "parallel"}}


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("format: 99\nseed: 1\n")
    with pytest.raises(UserError, match="install a newer one"):
        load_config(file)


@pytest.mark.parametrize("number", ["new", "'2'", "2.0", "true", "null", "0", "-1", "[2]"])
def test_what_is_no_format_number_is_refused(tmp_path: Path, number: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"format: {number}\nseed: 1\n")
    with pytest.raises(UserError, match=r"config.yaml: format is .*, but must be a whole number from 1 to 2"):
        load_config(file)


def test_every_former_value_is_a_key_of_today() -> None:
    """Otherwise an old run would be refused for a key that it never had."""
    from seqvise.config.schema import typed

    for path in sorted(EARLIER.glob("runs/*/config.yaml")):
        typed(load_config(path))
    assert all(former.key.count(".") for entries in formats.FORMER.values() for former in entries)
