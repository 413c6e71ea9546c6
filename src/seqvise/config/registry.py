"""Classes that a config names by their dotted path."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from seqvise.classes import EXAMPLES, TARGET
from seqvise.config.keys import Key, flatten
from seqvise.moved import METRICS, current

log = logging.getLogger(__name__)

MODULE = "torch.nn.modules.module.Module"
TASK = "pytorch_lightning.core.module.LightningModule"
LOGGER = "pytorch_lightning.loggers.logger.Logger"
CALLBACK = "pytorch_lightning.callbacks.callback.Callback"
STRATEGY = "pytorch_lightning.strategies.strategy.Strategy"
OURS = ("seqvise", "torch", "pytorch_lightning", "lightning_fabric", "lightning")
"""Packages whose classes are trusted, but only those that ``PLACES`` allows for a key."""


@dataclass(frozen=True)
class Place:
    """A key whose value is the dotted path of a class that is imported.

    Attributes:
        key: its names; ``*`` matches any name.
        kind: the dotted path of the required base class.
        modules: the only modules of ``OURS`` from which a class is imported.
        noun: what the path names.
    """

    key: Key
    kind: str
    modules: tuple[str, ...]
    noun: str = "class"

    def holds(self, key: Key) -> bool:
        """Whether this place has a key."""
        names = zip(self.key, key, strict=False)
        return len(key) == len(self.key) and all(pattern in ("*", name) for pattern, name in names)


BACKBONE = Place(("data", "backbone"), MODULE, ("seqvise.images",))
OPTIMIZER = Place(("optimizer", "name"), "torch.optim.optimizer.Optimizer", ("torch.optim",))
SCHEDULE = Place(("schedule", "name"), "", ("seqvise.schedules.curves",))
DATA = Place(("data", "kind"), "", ("seqvise.training",))
PLACES = (
    Place(("model", TARGET), MODULE, ("seqvise.models",)),
    Place(("model", "task"), TASK, ("seqvise.tasks",)),
    Place(("logger", TARGET), LOGGER, ("pytorch_lightning.loggers",)),
    Place(("trainer", "strategy", TARGET), STRATEGY, ("pytorch_lightning.strategies",)),
    Place(("callbacks", "extra", "*", TARGET), CALLBACK, ("pytorch_lightning.callbacks", "seqvise.callbacks")),
    Place(("metrics", "*"), "", (), "function"),
    BACKBONE,
    OPTIMIZER,
    SCHEDULE,
    DATA,
)
"""Every key of a config from which a class is imported."""
DOTTED = (BACKBONE, OPTIMIZER, SCHEDULE, DATA)
"""Those whose value is a path only if it contains a dot; other values are names of seqvise."""


def class_paths(content: Mapping[str, Any]) -> Iterator[tuple[str, Any, Place | None]]:
    """Yields every dotted path in a config: its full key, its value, and its place, which may be None.

    Args:
        content: a whole config as plain dictionaries and lists. Nothing is imported.
    """
    for key, value in flatten(content, _is_node):
        place = next((place for place in PLACES if place.holds(key)), None)
        is_path = "." in str(value) if place in DOTTED else value is not None
        if key[-1] == TARGET or (place is not None and is_path):
            yield ".".join(key), value, place


def update_names(content: MutableMapping[str, Any], warn: bool = False) -> None:
    """Replaces, in place, the dotted paths of classes that have moved, and former names of metrics.

    Args:
        content: a config.
        warn: log each of them once per process, for configs that a user can correct.
    """
    plain = cast(Mapping[str, Any], OmegaConf.to_container(content) if isinstance(content, DictConfig) else content)
    paths = [(key, value, current(value)) for key, value, _ in class_paths(plain) if isinstance(value, str)]
    for key, former, new in [*paths, *former_metrics(plain)]:
        if new != former:
            if warn:
                _report_name(key, former, new)
            OmegaConf.update(content, key, new) if isinstance(content, DictConfig) else _put(content, key, new)


def former_metrics(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yields each value of a config that is a former name of a metric: full key, former name and name."""
    for key, value in flatten(content, _is_node):
        if isinstance(value, str) and value in METRICS:
            yield ".".join(key), value, METRICS[value]


@cache  # a command composes and checks its config several times
def _report_name(key: str, former: str, new: str) -> None:
    log.warning("%s: %s is now %s; the former name will be removed.", key, former, new)


def _put(content: Any, key: str, value: str) -> None:
    *nodes, last = key.split(".")
    for name in nodes:
        content = content[int(name) if isinstance(content, list) else name]
    content[last] = value


def path_errors(content: Mapping[str, Any], trust: bool = True, named: Collection[str] = ()) -> list[str]:
    """Returns a sentence for each dotted path that must not be imported, without importing anything.

    Args:
        content: a whole config as plain dictionaries and lists.
        trust: allow classes outside of seqvise, torch and Lightning.
        named: such classes that are always allowed.
    """
    errors = (_path_error(key, value, place, trust or value in named) for key, value, place in class_paths(content))
    return [message for message in errors if message is not None]


def _path_error(key: str, value: Any, place: Place | None, trust: bool) -> str | None:
    if value in (None, "") and place is not None:
        return None  # a missing class is reported by validate
    if place is None:
        return _no_place(key, value)
    if not isinstance(value, str) or not all(part.isidentifier() for part in value.split(".")):
        return f"{key} is '{value}', but must be a {place.noun} with its module, as in {EXAMPLES[place.noun]}."
    if value.partition(".")[0] in OURS:
        parts = value.split(".")
        is_allowed = any(value.startswith(f"{module}.") for module in place.modules)
        if not is_allowed or any(part.startswith("_") for part in parts):
            ours = f"of {' or '.join(place.modules)}, or one " if place.modules else ""
            return f"{key} is '{value}', but must be a {place.noun} {ours}of your own."
    elif not trust and "." in value:
        return (
            f"{key} is '{value}', a {place.noun} outside of seqvise, torch and Lightning, whose code would run: read "
            "it, and add trust=true if you trust whoever gave you the run."
        )
    return None


def _no_place(key: str, value: Any) -> str:
    """The error of a path in a key without a place, with the key that names the class of the same node."""
    node = key.rpartition(".")[0]
    if node in ("optimizer", "schedule"):
        return f"{key} is '{value}', but the class of {node} is named by {node}.name: set {node}.name={value}."
    keys = ", ".join(".".join(place.key).replace("*", "NAME") for place in PLACES)
    return f"{key} is '{value}', but this key cannot name a class, only {keys} can: remove it."


def _is_node(key: Key, value: Any) -> bool:
    """Whether a value has leaves; the value of ``_target_`` is a leaf, whatever it is."""
    return key[-1] != TARGET and isinstance(value, Mapping | Sequence) and not isinstance(value, str)
