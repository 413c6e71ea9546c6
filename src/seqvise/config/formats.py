"""Formats of ``config.yaml``: what a key meant, or what its absence meant, when an earlier revision wrote the file.

A finished run keeps its meaning. When the meaning or the default of a key changes, the change gets a key of its own,
``FORMAT`` grows by one, and ``FORMER`` records the value that the new key has in every config of the old format.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from seqvise.errors import UserError

FORMAT = 2
KEY = "format"
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


FORMER: Mapping[int, tuple[Former, ...]] = {
    1: (
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
    )
}
"""For each earlier format the values that its configs leave out."""


def load_config(file: Path) -> DictConfig:
    """Reads a run's ``config.yaml``, in the current format.

    Raises:
        UserError: a later revision wrote it.
    """
    config = cast(DictConfig, OmegaConf.load(file))
    upgrade(config, file)
    return config


def upgrade(config: MutableMapping[str, Any], file: Path) -> None:
    """Brings the content of a ``config.yaml`` to the current format, in place, and removes the format number.

    Raises:
        UserError: a later revision wrote it.
    """
    for former in _former(config, file):
        node, name = _parent(config, former.key), former.key.rpartition(".")[2]
        if node is not None and name not in node:
            node[name] = former.value
    config.pop(KEY, None)


def changes(file: Path) -> list[str]:
    """One sentence for each computation that a run of an earlier format, resumed now, does differently."""
    config = cast(DictConfig, OmegaConf.load(file))
    return [former.changes for former in _former(config, file) if former.changes]


def numbered(text: str) -> str:
    """The text of a config with the number of its format before it."""
    return f"{KEY}: {FORMAT}\n{text}"


def _former(config: MutableMapping[str, Any], file: Path) -> list[Former]:
    number = config.get(KEY, FIRST)
    if not isinstance(number, int) or number > FORMAT:
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
