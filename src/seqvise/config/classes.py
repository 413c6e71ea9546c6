"""Classes by their dotted path, as the config names them."""

from __future__ import annotations

import traceback
from importlib import import_module

from seqvise.errors import UserError

MODULE = "torch.nn.modules.module.Module"
TASK = "pytorch_lightning.core.module.LightningModule"
LOGGER = "pytorch_lightning.loggers.logger.Logger"
CALLBACK = "pytorch_lightning.callbacks.callback.Callback"


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


def dotted(found: type) -> str:
    """The dotted path of a class."""
    return f"{found.__module__}.{found.__qualname__}"


def _told(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = "" if isinstance(error, ModuleNotFoundError) else f" ({last.filename}, line {last.lineno})"
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
