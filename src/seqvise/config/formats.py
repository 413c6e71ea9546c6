"""Formats of ``config.yaml``: what a key meant, or what its absence meant, when an earlier revision wrote the file.

A finished run keeps its meaning. When the meaning or the default of a key changes, the change gets a key of its own,
``FORMAT`` grows by one, and ``FORMER`` records the value that the new key has in every config of the old format.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from seqvise.config.registry import path_problems, update_paths
from seqvise.errors import UserError

FORMAT = 2
KEY = "format"
TRUST = "trust"
"""The key that no file has: whoever reads a run decides whether to trust it."""
INTERPOLATION = re.compile(r"(?<!\\)(?:\\\\)*\$\{")
"""What OmegaConf would replace, for example by a variable of the environment; a backslash before it makes it text."""
FIRST = 1
"""The format of a config without the key: it was written before there were formats."""


@dataclass(frozen=True)
class Former:
    """The value of a key in configs of an earlier format, which do not have it.

    Attributes:
        key: its full name.
        value: what such a config means.
        where: a key and its values, to which the entry is restricted, for example ``("data.kind", ("parallel",))``.
        above: a key and the number that its value must exceed.
        changes: one sentence for a resumed run if the value cannot restore the arithmetic of the earlier revision.
    """

    key: str
    value: Any = None
    where: tuple[str, tuple[str, ...]] | None = None
    above: tuple[str, int] | None = None
    changes: str | None = None


_KINDS = ("parallel", "text_lines", "text_labels", "images")

FORMER: Mapping[int, tuple[Former, ...]] = {
    1: (
        # Labels had the vectors of their words alone.
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
"""For each earlier format the values that its configs leave out."""


def load_config(file: Path, trust: bool = False, named: Collection[str] = ()) -> DictConfig:
    """Reads a run's ``config.yaml``, in the current format. Nothing that it names is imported.

    Paths in the run are those of the file's folder.

    Args:
        file: perhaps written by someone else.
        trust: whether it may name classes outside of seqvise, torch and Lightning.
        named: such classes that the command line names itself, which the file may name too.

    Raises:
        UserError: a later revision wrote it, or using it would import what it must not, or read the environment.
    """
    config = OmegaConf.load(file)
    if not isinstance(config, DictConfig):
        raise UserError(f"{file} does not hold names and values, as a run's config does.")
    content = cast(dict[str, Any], OmegaConf.to_container(config))
    if problems := [*_interpolations(content), *path_problems(content, trust, named)]:
        raise UserError(*(f"{file}: {problem}" for problem in problems))
    upgrade(config, file)
    config.pop(TRUST, None)  # the reader decides, not the file
    return _moved(config, file.parent.absolute())


def _moved(config: DictConfig, folder: Path) -> DictConfig:
    """A config in which the folder where its run began, in any value, is the one where it is now."""
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
    """Brings the content of a ``config.yaml`` to the current format, in place, and removes the format number.

    Raises:
        UserError: a later revision wrote it.
    """
    for former in _former(config, file):
        node, name = _parent(config, former.key), former.key.rpartition(".")[2]
        if node is not None and name not in node:
            node[name] = former.value
    update_paths(config)
    config.pop(KEY, None)


def changes(file: Path) -> list[str]:
    """One sentence for each computation that a run of an earlier format, resumed now, does differently."""
    config = cast(DictConfig, OmegaConf.load(file))
    return [former.changes for former in _former(config, file) if former.changes]


def former_keys(file: Path) -> set[str]:
    """The keys that a config of an earlier format leaves out, and that have the value they meant then."""
    return {former.key for former in _former(cast(DictConfig, OmegaConf.load(file)), file)}


def numbered(text: str) -> str:
    """The text of a config with the number of its format before it."""
    return f"{KEY}: {FORMAT}\n{text}"


def as_yaml(content: Mapping[str, Any]) -> str:
    """The text of a ``config.yaml`` with these values, which reads as the same values again."""
    return numbered(OmegaConf.to_yaml(OmegaConf.create(escaped(content))))


def escaped(node: Any) -> Any:
    """The same values, with a backslash before what OmegaConf would replace in them."""
    if isinstance(node, Mapping):
        return {name: escaped(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [escaped(value) for value in node]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", node) if isinstance(node, str) else node


def _interpolations(node: Any, key: str = "") -> Iterator[str]:
    """A sentence for each value that is not resolved; a run writes values alone."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _interpolations(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _interpolations(value, f"{key}.{number}")
    elif isinstance(node, str) and INTERPOLATION.search(node):
        yield f"{key} is '{node}', but a run's config holds values alone, which nothing replaces: write the value."


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
