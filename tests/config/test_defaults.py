"""One source of defaults: a key has the same default in its base YAML file and in its dataclass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, cast, get_type_hints

import pytest
from omegaconf import DictConfig, OmegaConf

from seqvise.config.keys import Key, flatten
from seqvise.config.options import Config
from seqvise.config.schema import OPTION_FILES, register
from seqvise.config.search_path import conf_folder
from seqvise.tuning.options import TuneConfig

FORCING = (
    "the Python API and models of your own train with teacher forcing if nothing is set; the lesson's rnn does not"
)
DIFFERENT = {
    ("model/rnn", "teacher_forcing.start"): FORCING,
    ("model/rnn", "teacher_forcing.end"): FORCING,
    ("data/files", "question_patterns.en"): "an empty dictionary means these patterns; the file shows them",
    ("data/files", "question_patterns.fr"): "an empty dictionary means these patterns; the file shows them",
}
"""(file, key) with two defaults -> the reason."""


def base_files() -> Iterator[tuple[str, type[Any]]]:
    """Files that extend no other file, and the dataclass of their node."""
    folder = conf_folder()
    yield from (("train", Config), ("tune", TuneConfig))
    types = get_type_hints(Config)
    for item in defaults("train"):
        for group, choice in item.items() if isinstance(item, DictConfig) else ():
            if is_dataclass(types.get(str(group))):
                yield f"{group!s}/{choice}", types[str(group)]
    for path in sorted([*folder.glob("model/*.yaml"), *folder.glob("data/*.yaml")]):
        name = str(path.relative_to(folder).with_suffix(""))
        first = str(defaults(name)[0])
        if first.startswith("/options/"):
            yield name, OPTION_FILES[first.removeprefix("/options/").partition("@")[0]]


def defaults(name: str) -> list[Any]:
    return list(load(name).defaults)


def load(name: str) -> DictConfig:
    return cast(DictConfig, OmegaConf.load(conf_folder() / f"{name}.yaml"))


def values_of(name: str, options: type[Any]) -> dict[Key, Any]:
    """Values of a file's keys, converted to the types of the dataclass."""
    register()
    file = load(name)
    node = OmegaConf.masked_copy(file, [str(key) for key in file if key not in ("defaults", "hydra")])
    root = OmegaConf.create({"paths": load("paths/default"), "data": {"kind": "parallel"}, "node": node})
    content = cast(dict[str, Any], OmegaConf.to_container(root.node, resolve=True))
    typed = OmegaConf.merge(OmegaConf.structured(options), content)
    values = dict(flatten(cast(dict[str, Any], OmegaConf.to_container(typed))))
    return {key: values[key] for key, _ in flatten(content)}


FILES = list(base_files())


def test_every_node_has_a_base_file() -> None:
    assert {options for _, options in FILES} == {
        Config,
        TuneConfig,
        *(options for options in get_type_hints(Config).values() if is_dataclass(options)),
        *OPTION_FILES.values(),
    } - {get_type_hints(Config)[name] for name in ("loss", "monitor", "find_lr")}, "these three are in train.yaml"


@pytest.mark.parametrize(("name", "options"), FILES)
def test_the_file_and_the_dataclass_have_one_default(
    name: str, options: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SEQVISE_DATA", "SEQVISE_OUTPUTS", "SEQVISE_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    values, fields = values_of(name, options), dict(flatten(asdict(options())))
    assert values
    different = {".".join(key): (value, fields.get(key)) for key, value in values.items() if value != fields.get(key)}
    assert set(different) == {key for file, key in DIFFERENT if file == name}, different


def test_every_file_is_found() -> None:
    assert all((conf_folder() / Path(f"{name}.yaml")).is_file() for name, _ in FILES)
