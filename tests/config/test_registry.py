"""Classes by their dotted path, and errors for those that cannot be imported."""

from pathlib import Path, PurePath
from typing import cast

import pytest
from omegaconf import DictConfig, OmegaConf

from seqvise.classes import find_class
from seqvise.config.compose import compose
from seqvise.config.schema import typed
from seqvise.config.validate import validate
from seqvise.errors import UserError


def problem(path: str, kind: str = "") -> str:
    with pytest.raises(UserError) as caught:
        find_class("a.key", path, kind)
    (message,) = caught.value.messages
    return message


def test_a_class_is_found_by_its_path() -> None:
    assert find_class("a.key", "pathlib.PurePath") is PurePath
    assert find_class("a.key", "collections.OrderedDict", "builtins.dict").__name__ == "OrderedDict"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("Model", "a.key is 'Model', but must be a class with its module"),
        ("nowhere.Model", "nowhere cannot be imported: ModuleNotFoundError: No module named 'nowhere'."),
        ("pathlib.Model", "pathlib has no such class."),
        ("os.getcwd", "not a class."),
    ],
)
def test_what_is_no_class_is_told(path: str, message: str) -> None:
    assert message in problem(path)


def test_a_class_of_another_kind_is_told() -> None:
    assert problem("pathlib.Path", "builtins.dict").endswith("does not extend builtins.dict.")


def test_a_module_that_fails_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "failing_module.py").write_text("x = 1\ny = z\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert f"name 'z' is not defined ({tmp_path / 'failing_module.py'}, line 2)." in problem("failing_module.Model")


def test_a_key_that_a_models_own_options_lack_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_winged.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Options:\n    _target_: str = ''\n    wings: int = 2\n"
        "class Model:\n    options_type = Options\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    cfg = cast(DictConfig, OmegaConf.merge(compose(), {"model": None}))
    cfg.model = {"_target_": "own_winged.Model", "wing": 3}
    assert validate(cfg) == ["model.wing: there is no such key; did you mean wings?"]
    cfg.model = {"_target_": "own_winged.Model", "wings": 3}
    assert typed(cfg).model.wings == 3
