"""The base of all options, and their checks: ``option_errors`` walks a tree of dataclasses that validate themselves.

Needs the standard library alone, so that every command can check its options before it imports anything heavy.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

Problem: TypeAlias = tuple[str, str]
"""A field and a sentence that begins after its name: ``("lr", "is 0, but must be above 0.")``."""
NODE = "{node}"
"""The full key of the node in a sentence: ``f"is 3, but {NODE}.beam is 1."`` names another field of the same node."""


_WARNED: set[type] = set()
"""Classes with the former method; one warning is enough for a class whose options are checked several times."""


class Options:
    """Base class of the options of a config node or a command, which are dataclasses."""

    def validate(self) -> Iterator[Problem]:
        """Yields a field and a sentence for each invalid value and each invalid combination of values.

        A subclass extends it with ``yield from super().validate()``. Dataclasses in its fields validate themselves.
        """
        yield from ()

    def problems(self, key: str) -> Iterator[str]:
        """Yields sentences with full keys, for classes of users that still extend this former method."""
        yield from _errors(self, key)


def option_errors(options: Any, key: str = "") -> Iterator[str]:
    """Yields a sentence, which begins with the full key, for each problem of options and of the dataclasses in them.

    Args:
        options: a dataclass; its ``validate`` is called if it has one.
        key: full name of the node, such as ``model.dropout``; empty if the fields themselves are the keys.
    """
    if getattr(type(options), "problems", Options.problems) is Options.problems:
        yield from _errors(options, key)
    else:
        _warn_former(type(options))
        yield from options.problems(key)


def one_of(options: object, **allowed: Collection[Any]) -> Iterator[Problem]:
    """Yields each field whose value is not one of those allowed."""
    for name, values in allowed.items():
        if (value := getattr(options, name)) not in values:
            yield name, f"is '{value}', but must be one of {', '.join(map(str, values))}."


def at_least(options: object, minimum: float, *names: str, null: str = "") -> Iterator[Problem]:
    """Yields each field whose value is below a minimum. null: effect of null, for a field that may be null."""
    for name in names:
        value = getattr(options, name)
        if value is not None and not value >= minimum:
            yield name, f"is {value}, but must be at least {minimum}{null and f', or null {null}'}."


def option(node: Any, name: str) -> Any:
    """A value of a node of the config: a dataclass, or a dictionary for classes without options; None if absent."""
    return node.get(name) if isinstance(node, Mapping) else getattr(node, name, None)


def _errors(options: Any, key: str) -> Iterator[str]:
    prefix = f"{key}." if key else ""
    for name, sentence in options.validate() if hasattr(options, "validate") else ():
        yield f"{prefix}{name} {sentence}".replace(f"{NODE}.", prefix)
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value):
            yield from option_errors(value, prefix + field.name)


def _warn_former(options: type) -> None:
    if options in _WARNED:
        return
    _WARNED.add(options)
    name = f"{options.__module__}.{options.__qualname__}"
    warnings.warn(
        f"{name}.problems(key) is now validate(), which yields (field, sentence); the former name will be removed.",
        DeprecationWarning,
        stacklevel=3,
    )
