"""Formats of ``config.yaml``: values of keys that an earlier revision did not write.

The config of a finished run keeps its meaning. A change to the meaning or the default of a key adds a new key,
increments ``FORMAT``, and records in ``FORMER`` the value that the new key has in every config of the old format.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from seqvise.config.keys import flatten
from seqvise.config.registry import former_metrics, path_errors, update_names
from seqvise.errors import UserError

FORMAT = 2
KEY = "format"
TRUST = "trust"
"""The key that is not written: the user who reads a run decides whether to trust it."""
INTERPOLATION = re.compile(r"(?<!\\)(?:\\\\)*\$\{")
"""The start of an interpolation, such as of an environment variable, unless a backslash escapes it."""
FIRST = 1
"""The format of a config without the key."""


@dataclass(frozen=True)
class Former:
    """The value of a key that configs of an earlier format do not contain.

    Attributes:
        key: its full name.
        value: its value in such a config.
        where: restricts the entry to configs where a key has one of some values: ``("data.kind", ("parallel",))``.
        above: restricts the entry to configs where a key has a value above a number.
        changes: a sentence to log for a resumed run if no value restores the arithmetic of the earlier revision.
    """

    key: str
    value: Any = None
    where: tuple[str, tuple[str, ...]] | None = None
    above: tuple[str, int] | None = None
    changes: str | None = None


_KINDS = ("parallel", "text_lines", "text_labels", "images")

FORMER: Mapping[int, tuple[Former, ...]] = {
    1: (
        # A label had the vector of its words, without hypernyms.
        Former("data.hypernyms", 0.0, where=("data.kind", ("images",))),
        Former("data.on_bad", "cut", where=("data.kind", _KINDS)),
        Former("data.limit_choice", "first", where=("data.kind", _KINDS)),
        # The patience of torch's ReduceLROnPlateau.
        Former("schedule.patience_rule", "torch", where=("schedule.name", ("plateau",))),
        Former("data.count_padding", value=False, where=("data.kind", ("parallel",))),
        Former(
            "trainer.accumulate_grad_batches",
            above=("trainer.accumulate_grad_batches", 1),
            changes="Batches that are accumulated (trainer.accumulate_grad_batches) count by their words, documents or "
            "images, no longer equally.",
        ),
        Former(
            "trainer.devices",
            where=("data.kind", ("images", "text_labels")),
            above=("trainer.devices", 1),
            changes="Batches of several processes (trainer.devices) count by their images or words, no longer equally.",
        ),
        Former("data.max_pixels", 178_956_970, where=("data.kind", ("images",))),
        Former("tokenizer.revision", 1),
    )
}
"""For each earlier format the values that its configs do not contain."""


def load_config(file: Path, trust: bool = False, named: Collection[str] = ()) -> DictConfig:
    """Reads the ``config.yaml`` of a run, in the current format, without importing anything that it names.

    Paths below the former run directory are replaced by paths below the folder of the file.

    Args:
        file: a file from any source.
        trust: allow the file to name classes outside of seqvise, torch and Lightning.
        named: such classes that are allowed, because the command line names them.

    Raises:
        UserError: a later revision wrote it, or it names a class that is not allowed or contains an interpolation.
    """
    config = OmegaConf.load(file)
    if not isinstance(config, DictConfig):
        raise UserError(f"{file} does not contain keys and values: restore it from a copy.")
    content = cast(dict[str, Any], OmegaConf.to_container(config))
    if errors := [*_interpolations(content), *path_errors(content, trust, named)]:
        raise UserError(*(f"{file}: {message}" for message in errors))
    upgrade(config, file)
    config.pop(TRUST, None)  # the user decides, not the file
    return _moved(config, file.parent.absolute())


def _moved(config: DictConfig, folder: Path) -> DictConfig:
    """A config in which the former run directory is replaced by the present one, in all values."""
    former = OmegaConf.select(config, "paths.run")
    if not former or not Path(former).is_absolute() or Path(former) == folder:
        return config

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: moved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [moved(item) for item in value]
        inside = isinstance(value, str) and Path(value).is_absolute() and Path(value).is_relative_to(former)
        return str(folder / Path(value).relative_to(former)) if inside else value

    return cast(DictConfig, OmegaConf.create(moved(OmegaConf.to_container(config))))


def upgrade(config: MutableMapping[str, Any], file: Path) -> None:
    """Converts the content of a ``config.yaml`` to the current format, in place, and removes the format number.

    Raises:
        UserError: a later revision wrote it.
    """
    for former in _former(config, file):
        node, name = _parent(config, former.key), former.key.rpartition(".")[2]
        if node is not None and name not in node:
            node[name] = former.value
    update_names(config)
    config.pop(KEY, None)


def changes(file: Path) -> list[str]:
    """One sentence for each computation that has changed, and each metric renamed, since a run was started."""
    config = cast(DictConfig, OmegaConf.load(file))
    content = cast(dict[str, Any], OmegaConf.to_container(config))
    renamed = [f"{key}: {former} is now {new}." for key, former, new in former_metrics(content)]
    return [*(former.changes for former in _former(config, file) if former.changes), *renamed]


def former_keys(file: Path) -> set[str]:
    """The keys that a config of an earlier format does not contain and that keep their former value."""
    return {former.key for former in _former(cast(DictConfig, OmegaConf.load(file)), file)}


def numbered(text: str) -> str:
    """The text of a config, preceded by its format number."""
    return f"{KEY}: {FORMAT}\n{text}"


def as_yaml(content: Mapping[str, Any]) -> str:
    """The text of a ``config.yaml`` with these values, escaped so that reading it returns the same values."""
    return numbered(OmegaConf.to_yaml(OmegaConf.create(escaped(content))))


def escaped(node: Any) -> Any:
    """The same values, with a backslash before each interpolation."""
    if isinstance(node, Mapping):
        return {name: escaped(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [escaped(value) for value in node]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", node) if isinstance(node, str) else node


def _interpolations(content: dict[str, Any]) -> Iterator[str]:
    """Yields a sentence for each interpolation; the config of a run contains resolved values only."""
    for key, value in flatten(content, lambda _, value: isinstance(value, dict | list)):
        if isinstance(value, str) and INTERPOLATION.search(value):
            yield f"{'.'.join(key)} is '{value}', but the config of a run must not contain ${{...}}: write the value."


def _former(config: MutableMapping[str, Any], file: Path) -> list[Former]:
    number = config.get(KEY, FIRST)
    if type(number) is not int or number < FIRST:  # True is an int too
        raise UserError(
            f"{file}: {KEY} is {number!r}, but must be a whole number from {FIRST} to {FORMAT}: restore the file "
            "from a copy."
        )
    if number > FORMAT:
        raise UserError(
            f"{file} has format {number}, but this version of seqvise reads formats up to {FORMAT}: "
            "install a newer one."
        )
    entries = [former for earlier in range(number, FORMAT) for former in FORMER[earlier]]
    return [former for former in entries if _applies(config, former)]


def _applies(config: MutableMapping[str, Any], former: Former) -> bool:
    if former.where is not None and _value(config, former.where[0]) not in former.where[1]:
        return False
    if former.above is None:
        return True
    value = _value(config, former.above[0])
    return isinstance(value, int) and value > former.above[1]


def _value(config: MutableMapping[str, Any], key: str) -> Any:
    node = _parent(config, key)
    return None if node is None else node.get(key.rpartition(".")[2])


def _parent(config: MutableMapping[str, Any], key: str) -> MutableMapping[str, Any] | None:
    node: Any = config
    for name in key.split(".")[:-1]:
        node = node.get(name) if isinstance(node, MutableMapping) else None
    return node if isinstance(node, MutableMapping) else None
