"""Checks arguments in a config against the class that takes them: of torch, of Lightning, or the user's own."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seqvise.classes import TARGET, dotted, find_class
from seqvise.config.keys import Key, further_keys, nearest
from seqvise.config.options import Config
from seqvise.config.registry import CALLBACK, LOGGER, STRATEGY
from seqvise.config.schema import FREE_NODES
from seqvise.config.synonyms import meant
from seqvise.errors import UserError

OPTIMIZERS = {"adam": "torch.optim.adam.Adam", "adamw": "torch.optim.adamw.AdamW", "sgd": "torch.optim.sgd.SGD"}
TRAINER = "pytorch_lightning.trainer.trainer.Trainer"
RESERVED = (
    "params",
    "logger",
    "callbacks",
    "plugins",
    "use_distributed_sampler",
    "enable_progress_bar",
    "default_root_dir",
)
"""Arguments of the optimizer and the trainer that seqvise sets itself."""
CHECKED = {
    "pytorch_lightning.loggers.TensorBoardLogger": ("save_dir", "name", "version", "default_hp_metric"),
    "pytorch_lightning.loggers.CSVLogger": ("save_dir", "name", "version"),
}
"""Arguments of classes that are checked without an import, because importing takes seconds."""
FORWARDED = {"pytorch_lightning.loggers.tensorboard.TensorBoardLogger": "torch.utils.tensorboard.SummaryWriter"}
"""Classes that forward further arguments, and the class that takes them."""


def further_arguments(content: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """Yields the further keys of the `optimizer` and `trainer` nodes that the class does not take, with a sentence.

    Args:
        content: a whole config as plain dictionaries.
    """
    for key, options in FREE_NODES.items():
        node = content.get(key)
        if not isinstance(node, Mapping) or not (names := further_keys(node, options)):
            continue
        chosen = str(node.get("name"))
        target = TRAINER if key == "trainer" else OPTIMIZERS.get(chosen, chosen if "." in chosen else None)
        names.pop(TARGET, None)  # reported by path_errors
        with suppress(UserError):  # a class that cannot be imported is reported by validate
            for name, sentence in _unaccepted(key, target, names) if target else ():
                yield (key, name), sentence


def node_arguments(config: Config) -> Iterator[str]:
    """Yields a sentence for each argument of a node with `_target_` that its class does not take or that is missing."""
    nodes = {"logger": (config.logger, LOGGER), "trainer.strategy": (config.trainer.strategy, STRATEGY)}
    nodes |= {f"callbacks.extra.{name}": (node, CALLBACK) for name, node in config.callbacks.extra.items()}
    for key, (node, kind) in nodes.items():
        if isinstance(node, Mapping) and "." in str(node.get(TARGET)):
            with suppress(UserError):  # a missing class is reported by validate
                yield from _node(key, node, kind)


def _node(key: str, node: Mapping[str, Any], kind: str) -> Iterator[str]:
    target = str(node[TARGET])
    arguments = {str(name): value for name, value in node.items() if name != TARGET}
    if set(arguments) <= set(CHECKED.get(target, ())) and target in CHECKED:
        return
    if errors := [sentence for _, sentence in _unaccepted(key, target, arguments, kind)]:
        yield from errors
        return
    try:
        inspect.signature(find_class(f"{key}.{TARGET}", target, kind)).bind(**arguments)
    except TypeError as error:
        yield f"{key}: {target} is {error}."
    except ValueError:  # a class written in C has no signature
        return


def _names_in_source(target: str) -> tuple[str, ...]:
    """The arguments of a class, read from its source file without an import; none if the file does not define them."""
    package, *path, name = target.split(".")
    spec = find_spec(package)
    file = Path(spec.origin).parent.joinpath(*path).with_suffix(".py") if spec and spec.origin else Path(target)
    if not file.is_file():
        return ()
    classes = (node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))
    bodies = (node.body for node in classes if node.name == name)
    methods = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    arguments = next((method.args for method in methods if method.name == "__init__"), None)
    if arguments is None or arguments.kwarg is not None:
        return ()
    return tuple(item.arg for item in (*arguments.args[1:], *arguments.kwonlyargs))


def _unaccepted(key: str, target: str, names: Iterable[str], kind: str = "") -> Iterator[tuple[str, str]]:
    """Yields the names that are no argument of a class, each with a sentence."""
    accepted = _parameters(key, target, kind)
    for name in names:
        if accepted is not None and name not in accepted:
            hint = ("" if kind else meant(f"{key}.{name}")) or nearest(name, accepted)
            yield name, f"{key}.{name}: {target} has no such argument{hint}"
        elif not kind and name in RESERVED:
            yield name, f"{key}.{name} is set by seqvise: leave it out."


def _parameters(key: str, target: str, kind: str) -> tuple[str, ...] | None:
    """The arguments that a class takes by name; None if it takes any."""
    if not kind and (names := _names_in_source(target)):
        return names
    found_class = find_class(f"{key}.{TARGET}", target, kind)
    try:
        parameters = list(inspect.signature(found_class).parameters.values())
    except ValueError:
        return None
    names = tuple(item.name for item in parameters if item.kind != inspect.Parameter.VAR_KEYWORD)
    if len(names) == len(parameters):
        return names
    further = FORWARDED.get(dotted(found_class))
    return None if further is None else (*names, *(_parameters(key, further, "") or ()))
