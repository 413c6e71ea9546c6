"""The rule of ``tests.style`` that one name is one class."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import style


def test_each_class_of_the_package_has_a_name_of_its_own() -> None:
    assert list(style.repeated_classes(sorted((style.ROOT / "src").rglob("*.py")))) == []


def test_a_second_class_of_the_same_name_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "ROOT", tmp_path)
    (tmp_path / "src").mkdir()
    files = [tmp_path / "src" / name for name in ("a.py", "b.py")]
    files[0].write_text("class Plan: ...\nclass Pool: ...\n")
    files[1].write_text("def f():\n    class Plan: ...\n")
    assert [str(finding) for finding in style.repeated_classes(files)] == [
        "src/b.py:2: Plan -> a name of its own: src/a.py:1 has this one: class Plan: ..."
    ]
