"""Keys of a config that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast, get_args, get_type_hints

from seqvise.config.hydra_errors import nearest

ARGUMENTS = "arguments"
"""The field of options whose node may have further keys: arguments of the class that is made from the node."""
Key = tuple[str, ...]


@dataclass(frozen=True)
class UnknownKey:
    """A key that nothing reads.

    Attributes:
        key: its names.
        known: the names that its node may have.
    """

    key: Key
    known: tuple[str, ...]

    def sentence(self) -> str:
        """What is wrong, and what was perhaps meant."""
        return f"{'.'.join(self.key)}: there is no such key{nearest(self.key[-1], self.known)}"


def unknown_keys(
    content: Mapping[Any, Any], options: type[Any], nodes: Mapping[str, type[Any]], key: Key = ()
) -> Iterator[UnknownKey]:
    """Finds the keys that options have no field for, in every node that has options.

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
    """The keys of a node that are arguments of the class that is made from it, and their values."""
    known = field_names(options)
    return {str(name): value for name, value in content.items() if name not in known or name == ARGUMENTS}


def field_names(options: type[Any]) -> tuple[str, ...]:
    """The names of a dataclass's fields."""
    return tuple(item.name for item in fields(options))


def _nested(options: type[Any]) -> dict[str, type[Any]]:
    """The dataclasses of those fields that have one, which may also be None."""
    hints = {name: (hint, *get_args(hint)) for name, hint in get_type_hints(options).items()}
    found = {name: [kind for kind in kinds if is_dataclass(kind)] for name, kinds in hints.items()}
    return {name: cast(type[Any], kinds[0]) for name, kinds in found.items() if kinds}
