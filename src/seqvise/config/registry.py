"""Classes by their dotted path, as the config names them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from seqvise.errors import UserError
from seqvise.moved import current

log = logging.getLogger(__name__)

MODULE = "torch.nn.modules.module.Module"
TASK = "pytorch_lightning.core.module.LightningModule"
LOGGER = "pytorch_lightning.loggers.logger.Logger"
CALLBACK = "pytorch_lightning.callbacks.callback.Callback"
STRATEGY = "pytorch_lightning.strategies.strategy.Strategy"
TARGET = "_target_"
OURS = ("seqvise", "torch", "pytorch_lightning", "lightning_fabric", "lightning")
"""Packages of which a config may name the classes of its places alone, whoever wrote it."""
Key = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """A key whose value is the dotted path of a class, which is imported.

    Attributes:
        key: its names; ``*`` stands for any name.
        kind: the dotted path of the class that the value must extend.
        modules: modules of seqvise or Lightning whose classes fit; of no other module of ``OURS`` a class is imported.
    """

    key: Key
    kind: str
    modules: tuple[str, ...]

    def holds(self, key: Key) -> bool:
        """Whether this is the place of a key."""
        return len(key) == len(self.key) and all(mine in ("*", name) for mine, name in zip(self.key, key, strict=True))


BACKBONE = Place(("data", "backbone"), MODULE, ("seqvise.images",))
SCHEDULE = Place(("schedule", "name"), "", ("seqvise.schedules.curves",))
PLACES = (
    Place(("model", TARGET), MODULE, ("seqvise.models",)),
    Place(("model", "task"), TASK, ("seqvise.tasks",)),
    Place(("logger", TARGET), LOGGER, ("pytorch_lightning.loggers",)),
    Place(("trainer", "strategy", TARGET), STRATEGY, ("pytorch_lightning.strategies",)),
    Place(("callbacks", "extra", "*", TARGET), CALLBACK, ("pytorch_lightning.callbacks", "seqvise.callbacks")),
    BACKBONE,
    SCHEDULE,
)
"""Every key of a config from which something is imported. `data.backbone` and `schedule.name` are paths only where they
have a dot."""


def class_paths(content: Mapping[str, Any]) -> Iterator[tuple[str, Any, Place | None]]:
    """Finds every dotted path that a config names: its full key, its value, and its place; None where it has none.

    Args:
        content: a whole config as plain dictionaries and lists. Nothing of it is imported.
    """
    for key, value in _leaves(content, ()):
        place = next((place for place in PLACES if place.holds(key)), None)
        is_path = "." in str(value) if place in (BACKBONE, SCHEDULE) else value is not None
        if key[-1] == TARGET or (place is not None and is_path):
            yield ".".join(key), value, place


def update_paths(content: MutableMapping[str, Any]) -> None:
    """Replaces, in place, each dotted path that a config names by the present one if its class has moved."""
    plain = OmegaConf.to_container(content) if isinstance(content, DictConfig) else content
    for key, value, _ in list(class_paths(cast(Mapping[str, Any], plain))):
        if isinstance(value, str) and (new := current(value)) != value:
            log.info("%s: %s is now %s.", key, value, new)
            OmegaConf.update(content, key, new) if isinstance(content, DictConfig) else _put(content, key, new)


def _put(content: Any, key: str, value: str) -> None:
    *nodes, last = key.split(".")
    for name in nodes:
        content = content[int(name) if isinstance(content, list) else name]
    content[last] = value


def path_problems(content: Mapping[str, Any], trust: bool = True, named: Collection[str] = ()) -> list[str]:
    """A sentence for each dotted path that must not be imported, found without importing anything.

    Args:
        content: a whole config as plain dictionaries and lists.
        trust: whether classes outside of seqvise, torch and Lightning may be imported.
        named: such classes that may be imported all the same.
    """
    problems = (_path_problem(key, value, place, trust or value in named) for key, value, place in class_paths(content))
    return [problem for problem in problems if problem is not None]


def _path_problem(key: str, value: Any, place: Place | None, trust: bool) -> str | None:
    places = [".".join(place.key).replace("*", "NAME") for place in PLACES]
    if value in (None, "") and place is not None:
        return None  # each place tells by itself what is missing
    if place is None:
        return f"{key} is '{value}', but no class can be named there, only in {', '.join(places)}: remove it."
    if not isinstance(value, str) or not all(part.isidentifier() for part in value.split(".")):
        return f"{key} is '{value}', but must be a class with its module, as in mine.model.Model."
    if value.partition(".")[0] in OURS:
        parts = value.split(".")
        fits = any(value.startswith(f"{module}.") for module in place.modules)
        if not fits or any(part.startswith("_") for part in parts):
            return f"{key} is '{value}', but must be a class of {' or '.join(place.modules)}, or one of your own."
    elif not trust and "." in value:
        return (
            f"{key} is '{value}', a class outside of seqvise, torch and Lightning, whose code would run: read it, and "
            "add trust=true if you trust whoever gave you the run."
        )
    return None


def _leaves(node: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    """Values that are neither dictionaries nor lists; of ``_target_`` whatever it is."""
    if key and key[-1] == TARGET:
        yield key, node
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from _leaves(value, (*key, str(name)))
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for number, value in enumerate(node):
            yield from _leaves(value, (*key, str(number)))
    elif key:
        yield key, node


def find_class(key: str, path: str, kind: str = "") -> type:
    """The class of that path.

    Args:
        key: the config key that names it, for the message.
        path: ``package.module.Class``.
        kind: the dotted path of a class that it must extend; empty for any.

    Raises:
        UserError: there is no such class, its module fails, or it extends something else.
    """
    module, _, name = path.rpartition(".")
    if not module:
        raise UserError(f"{key} is '{path}', but must be a class with its module, as in mine.model.Model.")
    try:
        found = getattr(import_module(module), name, None)
    except Exception as error:  # a person's module may raise anything
        raise UserError(f"{key} is '{path}', but {module} cannot be imported: {_told(error)}.") from error
    if not isinstance(found, type):
        what = "has no such class" if found is None else f"has a {type(found).__name__} of that name, no class"
        raise UserError(f"{key} is '{path}', but {module} {what}.")
    if kind and kind not in map(dotted, found.__mro__):
        raise UserError(f"{key} is '{path}', but that class does not extend {kind}.")
    return found


def construct(key: str, node: Mapping[str, Any], kind: str) -> Any:
    """Calls the class that a node names with the node's other keys.

    Args:
        key: the node's full name, for the message.
        node: ``_target_`` and arguments.
        kind: the dotted path of a class that it must extend.

    Raises:
        UserError: there is no such class, it extends something else, or it refuses the arguments.
    """
    made = find_class(f"{key}.{TARGET}", str(node.get(TARGET)), kind)
    arguments = {str(name): value for name, value in node.items() if name != TARGET}
    try:
        return made(**arguments)
    except Exception as error:  # a user's class may raise anything
        reason = " ".join(str(error).split())
        raise UserError(f"{key} cannot be made of its node ({node.get(TARGET)}): {reason}") from error


def dotted(found: type) -> str:
    """The dotted path of a class."""
    return f"{found.__module__}.{found.__qualname__}"


def _told(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = "" if isinstance(error, ModuleNotFoundError) else f" ({last.filename}, line {last.lineno})"
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
