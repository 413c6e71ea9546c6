"""Keys of a config: all of them, those that do not exist, and the nearest existing one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from numbers import Integral, Real
from typing import Any, TypeAlias, TypeVar, cast, get_args, get_type_hints

from seqvise.config.synonyms import meant
from seqvise.errors import UserError

ARGUMENTS = "arguments"
"""The field of options whose node may have further keys: arguments of the class that is constructed from the node."""
Key: TypeAlias = tuple[str, ...]
"""The names of a key, from the root: ``("model", "dropout", "source")``."""
OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True)
class UnknownKey:
    """A key that does not exist.

    Attributes:
        key: its names.
        known: the names that its node may have.
    """

    key: Key
    known: tuple[str, ...]

    def sentence(self) -> str:
        """The error, with the nearest existing name, or the key of this name in other tools."""
        key = ".".join(self.key)
        hint = nearest(self.key[-1], self.known)
        return f"{key}: there is no such key{(hint == '.' and meant(key)) or hint}"


def nearest(name: str, names: Iterable[str]) -> str:
    """``; did you mean ...?`` if a similar name exists, else a full stop."""
    matches = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else "."


def with_values(options: OptionsT, values: Mapping[str, Any]) -> OptionsT:
    """A copy of options, which are a dataclass, with other values.

    Raises:
        UserError: names that the options do not have, each with the nearest one; or values of another type.
    """
    known = field_names(type(options))
    unknown = [name for name in values if name not in known]
    if unknown:
        raise UserError(*(f"{name}: there is no such option{_nearest_or_all(name, known)}" for name in unknown))
    hints = get_type_hints(type(options))
    wrong = {name: _type_name(hints[name]) for name, value in values.items() if not _has_type(value, hints[name])}
    if wrong:
        raise UserError(*(f"{name} is {values[name]!r}, but must be {kind}." for name, kind in wrong.items()))
    return cast(OptionsT, replace(cast(Any, options), **values))


_KINDS: dict[Any, tuple[type, str]] = {
    bool: (bool, "true or false"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
    type(None): (type(None), "None"),
}


def _has_type(value: Any, hint: Any) -> bool:
    """Whether a value has the type of a field, if that is a plain type; a boolean is no number."""
    kinds = get_args(hint) or (hint,)
    if not all(kind in _KINDS for kind in kinds):
        return True
    return any(isinstance(value, _KINDS[kind][0]) and (kind is bool or not isinstance(value, bool)) for kind in kinds)


def _type_name(hint: Any) -> str:
    return " or ".join(_KINDS[kind][1] for kind in get_args(hint) or (hint,))


def _nearest_or_all(name: str, names: Sequence[str]) -> str:
    return f"; the options are {', '.join(names)}." if (hint := nearest(name, names)) == "." else hint


def is_mapping(_: Key, value: Any) -> bool:
    """Whether a value is a node."""
    return isinstance(value, Mapping)


def is_filled(_: Key, value: Any) -> bool:
    """Whether a value is a node with keys; an empty node is a value of its own."""
    return isinstance(value, Mapping) and bool(value)


def flatten(
    node: Mapping[Any, Any] | Iterable[Any], descend: Callable[[Key, Any], bool] = is_mapping, key: Key = ()
) -> Iterator[tuple[Key, Any]]:
    """Yields key and value of each leaf of a config, or of a node of one, in its order.

    Args:
        node: a config as plain dictionaries and lists.
        descend: whether a key's value is a node, whose leaves are yielded, or a leaf. Items of lists have their index
            as name.
        key: the names of the node.
    """
    for name, value in node.items() if isinstance(node, Mapping) else enumerate(node):
        path = (*key, str(name))
        if descend(path, value):
            yield from flatten(value, descend, path)
        else:
            yield path, value


def unknown_keys(
    content: Mapping[Any, Any], options: type[Any], nodes: Mapping[str, type[Any]], key: Key = ()
) -> Iterator[UnknownKey]:
    """Yields the keys that options have no field for, in every node that has options.

    Args:
        content: a config, or a node of one, as plain dictionaries.
        options: its dataclass.
        nodes: dataclasses of nodes whose field does not name one, by the field's name.
        key: the names of the node.
    """
    known = field_names(options)
    for name, value in content.items():
        if name not in known:
            if ARGUMENTS not in known:
                yield UnknownKey((*key, str(name)), known)
        elif isinstance(value, Mapping) and (nested := nodes.get(name) or _nested(options).get(name)):
            yield from unknown_keys(value, nested, {}, (*key, name))


def further_keys(content: Mapping[Any, Any], options: type[Any]) -> dict[str, Any]:
    """The keys of a node that are arguments of the class that is constructed from it, and their values."""
    known = field_names(options)
    return {str(name): value for name, value in content.items() if name not in known or name == ARGUMENTS}


def field_names(options: type[Any]) -> tuple[str, ...]:
    """The names of a dataclass's fields."""
    return tuple(item.name for item in fields(options))


def _nested(options: type[Any]) -> dict[str, type[Any]]:
    """The dataclasses of those fields that have one, which may also be None."""
    hints = {name: (hint, *get_args(hint)) for name, hint in get_type_hints(options).items()}
    dataclasses = {name: [hint for hint in kinds if is_dataclass(hint)] for name, kinds in hints.items()}
    return {name: cast(type[Any], kinds[0]) for name, kinds in dataclasses.items() if kinds}
