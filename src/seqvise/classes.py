"""Finds classes by their dotted paths, as a config names them.

At the top of the package, since layers below the config have such paths, too: `data.backbone`, `metrics`, an index.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from seqvise.errors import UserError

TARGET = "_target_"
EXAMPLES = {"class": "mine.model.Model", "function": "mine.metrics.exact_match"}
"""Dotted paths, for messages."""


def find_function(key: str, path: str) -> Callable[..., Any]:
    """Imports a function or a class.

    Args:
        key: the config key that names it, for messages.
        path: ``package.module.function``.

    Raises:
        UserError: importing its module fails, or the module has nothing callable of that name.
    """
    value = _find(key, path, "function")
    if not callable(value):
        raise UserError(f"{key} is '{path}', but that is a {type(value).__name__}, not a function.")
    return cast(Callable[..., Any], value)


def find_class(key: str, path: str, kind: str = "") -> type:
    """Imports a class.

    Args:
        key: the config key that names it, for messages.
        path: ``package.module.Class``.
        kind: the dotted path of the required base class; empty for any.

    Raises:
        UserError: there is no such class, importing its module fails, or it does not extend ``kind``.
    """
    value = _find(key, path, "class")
    if not isinstance(value, type):
        module = path.rpartition(".")[0]
        raise UserError(f"{key} is '{path}', but {module} has a {type(value).__name__} of that name, not a class.")
    if kind and kind not in map(dotted, value.__mro__):
        raise UserError(f"{key} is '{path}', but that class does not extend {kind}.")
    return value


def construct(key: str, node: Mapping[str, Any], kind: str) -> Any:
    """Constructs the class that a node names, with the node's other keys as arguments.

    Args:
        key: the node's full name, for messages.
        node: ``_target_`` and arguments.
        kind: the dotted path of the required base class.

    Raises:
        UserError: there is no such class, it does not extend ``kind``, or it raises an error.
    """
    constructor = find_class(f"{key}.{TARGET}", str(node.get(TARGET)), kind)
    arguments = {str(name): value for name, value in node.items() if name != TARGET}
    try:
        return constructor(**arguments)
    except Exception as error:  # a user's class may raise anything
        reason = " ".join(str(error).split())
        raise UserError(f"{key} cannot be constructed from its node ({node.get(TARGET)}): {reason}") from error


def dotted(cls: type) -> str:
    """The dotted path of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _find(key: str, path: str, thing: str) -> object:
    """The value of a path. thing: what it must be, for messages."""
    module, _, name = path.rpartition(".")
    if not module:
        raise UserError(f"{key} is '{path}', but must be a {thing} with its module, as in {EXAMPLES[thing]}.")
    try:
        value: object = getattr(import_module(module), name, None)
    except Exception as error:  # the user's module may raise anything
        raise UserError(f"{key} is '{path}', but {module} cannot be imported: {_message(error)}.") from error
    if value is None:
        raise UserError(f"{key} is '{path}', but {module} has no such {thing}.")
    return value


def _message(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = "" if isinstance(error, ModuleNotFoundError) else f" ({last.filename}, line {last.lineno})"
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
