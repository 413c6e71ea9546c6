"""Tensors of a nested value (tuples, named tuples, dataclasses) by name, and the value made anew from other tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from torch import Tensor

ValueT = TypeVar("ValueT")


def named_tensors(value: object, name: str) -> dict[str, Tensor]:
    """The tensors in a value, each under the path to it: ``state_layers_0_keys``.

    Args:
        value: nested as the module says; None holds nothing.
        name: of the value itself, before the first ``_``.

    Raises:
        TypeError: a number or anything else that is no tensor.
    """
    if isinstance(value, Tensor):
        return {name: value}
    found: dict[str, Tensor] = {}
    for part, inner in _parts(value, name).items():
        found |= named_tensors(inner, f"{name}_{part}")
    return found


def filled(value: ValueT, tensors: Iterator[Tensor]) -> ValueT:
    """A value of the same form with other tensors, taken in the order of ``named_tensors``."""
    return _filled(value, tensors)  # type: ignore[no-any-return]


def _filled(value: Any, tensors: Iterator[Tensor]) -> Any:
    if value is None:
        return None
    if isinstance(value, Tensor):
        return next(tensors)
    parts = [_filled(inner, tensors) for inner in _parts(value, "").values()]
    made = type(value)
    return made(parts) if made in (tuple, list) else made(*parts)


def _parts(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return dict(zip(getattr(value, "_fields", map(str, range(len(value)))), value, strict=True))
    raise TypeError(f"{name} is a {type(value).__name__}, but what passes from step to step must be tensors")
