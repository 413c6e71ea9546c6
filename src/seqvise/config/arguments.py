"""Arguments in a config that go to a class of torch, of Lightning or of your own: whether the class takes them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seqvise.config.hydra_errors import nearest
from seqvise.config.keys import Key, further_keys
from seqvise.config.options import Config
from seqvise.config.registry import CALLBACK, LOGGER, STRATEGY, TARGET, find_class
from seqvise.config.schema import FREE_NODES
from seqvise.errors import UserError

OPTIMIZERS = {"adam": "torch.optim.adam.Adam", "adamw": "torch.optim.adamw.AdamW", "sgd": "torch.optim.sgd.SGD"}
TRAINER = "pytorch_lightning.trainer.trainer.Trainer"
FILLED = (
    "params",
    "logger",
    "callbacks",
    "plugins",
    "use_distributed_sampler",
    "enable_progress_bar",
    "default_root_dir",
)
"""Arguments of the optimizer and the trainer that seqvise fills in itself."""
KNOWN = {
    "pytorch_lightning.loggers.TensorBoardLogger": ("save_dir", "name", "version", "default_hp_metric"),
    "pytorch_lightning.loggers.CSVLogger": ("save_dir", "name", "version"),
}
"""Arguments that need no import to be checked, as importing takes seconds."""
PASSED_ON = {"pytorch_lightning.loggers.tensorboard.TensorBoardLogger": "torch.utils.tensorboard.SummaryWriter"}
"""Classes that pass further arguments on, and the class that takes them."""


def further_arguments(content: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """Each further key of the `optimizer` and `trainer` nodes that its class does not take, and a sentence about it.

    Args:
        content: a whole config as plain dictionaries.
    """
    for key, options in FREE_NODES.items():
        node = content.get(key)
        if not isinstance(node, Mapping) or not (names := further_keys(node, options)):
            continue
        target = TRAINER if key == "trainer" else OPTIMIZERS.get(str(node.get("name")))
        for name, sentence in _untaken(key, target, names) if target else ():
            yield (key, name), sentence


def node_arguments(config: Config) -> Iterator[str]:
    """A sentence for each argument of a node with a class that the class does not take, or does not get."""
    nodes = {"logger": (config.logger, LOGGER), "trainer.strategy": (config.trainer.strategy, STRATEGY)}
    nodes |= {f"callbacks.extra.{name}": (node, CALLBACK) for name, node in config.callbacks.extra.items()}
    for key, (node, kind) in nodes.items():
        if isinstance(node, Mapping) and "." in str(node.get(TARGET)):
            with suppress(UserError):  # of a class that is not there is told elsewhere
                yield from _node(key, node, kind)


def _node(key: str, node: Mapping[str, Any], kind: str) -> Iterator[str]:
    target = str(node[TARGET])
    arguments = {str(name): value for name, value in node.items() if name != TARGET}
    if set(arguments) <= set(KNOWN.get(target, ())) and target in KNOWN:
        return
    if problems := [sentence for _, sentence in _untaken(key, target, arguments, kind)]:
        yield from problems
        return
    try:
        inspect.signature(find_class(f"{key}.{TARGET}", target, kind)).bind(**arguments)
    except TypeError as error:
        yield f"{key}: {target} is {error}."
    except ValueError:  # a class of C has no signature
        return


def _names_in_source(target: str) -> tuple[str, ...]:
    """The arguments of a class by its source file, which takes no import; none where the file does not have it."""
    package, *path, name = target.split(".")
    spec = find_spec(package)
    file = Path(spec.origin).parent.joinpath(*path).with_suffix(".py") if spec and spec.origin else Path(target)
    if not file.is_file():
        return ()
    classes = (node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))
    methods = [node for made in classes if made.name == name for node in made.body if isinstance(node, ast.FunctionDef)]
    arguments = next((method.args for method in methods if method.name == "__init__"), None)
    if arguments is None or arguments.kwarg is not None:
        return ()
    return tuple(item.arg for item in (*arguments.args[1:], *arguments.kwonlyargs))


def _untaken(key: str, target: str, names: Iterable[str], kind: str = "") -> Iterator[tuple[str, str]]:
    """The names that are no argument of a class, each with a sentence."""
    taken = _parameters(key, target, kind)
    for name in names:
        if taken is not None and name not in taken:
            yield name, f"{key}.{name}: {target} has no such argument{nearest(name, taken)}"
        elif not kind and name in FILLED:
            yield name, f"{key}.{name} is filled in by seqvise: leave it out."


def _parameters(key: str, target: str, kind: str) -> tuple[str, ...] | None:
    """The arguments that a class takes by name; None where it takes any."""
    if not kind and (names := _names_in_source(target)):
        return names
    made = find_class(f"{key}.{TARGET}", target, kind)
    try:
        parameters = list(inspect.signature(made).parameters.values())
    except ValueError:
        return None
    names = tuple(item.name for item in parameters if item.kind != inspect.Parameter.VAR_KEYWORD)
    if len(names) == len(parameters):
        return names
    further = PASSED_ON.get(f"{made.__module__}.{made.__qualname__}")
    return None if further is None else (*names, *(_parameters(key, further, "") or ()))
