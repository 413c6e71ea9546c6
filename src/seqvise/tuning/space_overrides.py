"""Changes a search space by overrides: narrows, replaces, drops and adds entries.

The entries of a space file have dotted names (``optimizer.lr: {...}``). Hydra takes ``tune.space.optimizer.lr.low`` for
a key in nested nodes, and would not find it; so these overrides are applied here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from seqvise.config.hydra_errors import Unparsed
from seqvise.config.keys import nearest
from seqvise.config.overrides import key_of
from seqvise.errors import UserError
from seqvise.tuning.space import flat

PREFIX = "tune.space."
Entries = dict[str, Any]


def is_space_override(text: str) -> bool:
    """Whether an override changes entries of the search space."""
    return key_of(text).startswith(PREFIX)


def changed_space(space: Mapping[str, Any], overrides: Sequence[str]) -> tuple[Entries, list[str]]:
    """Applies overrides to a space, and returns its entries with a sentence about each override that does not fit.

    ``tune.space.KEY.low=1`` sets a field of an entry. ``tune.space.KEY={...}`` sets the given fields, or replaces the
    entry if the type is among them, or adds it. ``~tune.space.KEY`` drops an entry, all entries below a node, or a
    field.

    Args:
        space: the space of the config file.
        overrides: overrides whose key begins with ``tune.space.``.
    """
    entries, messages = flat(space), list[str]()
    for text in overrides:
        try:
            _apply(entries, _parsed(text), text)
        except UserError as error:
            messages += error.messages
    if space and not entries:
        messages.append("tune.space is empty: its last entry was dropped, and a search needs at least one.")
    return entries, messages


def _parsed(text: str) -> Override:
    try:
        parsed = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise UserError(Unparsed(text, error).sentence()) from error
    if parsed.is_sweep_override():
        raise UserError(f"{text}: this is a sweep over several values, but must be one value; a list is written [a,b].")
    return parsed


def _apply(entries: Entries, parsed: Override, text: str) -> None:
    name = parsed.key_or_group.replace("/", ".").removeprefix(PREFIX)
    if parsed.is_delete():
        _drop(entries, name, text)
        return
    entry, _, field = name.rpartition(".")
    value = parsed.value()
    if name not in entries and isinstance(entries.get(entry), Mapping):
        entries[entry] = {**entries[entry], field: value}
    elif isinstance(value, Mapping):
        for added, content in flat({name: value}).items():
            entries[added] = _updated(entries.get(added), content, parsed.is_add())
    else:
        raise UserError(_no_range(entries, name, text))


def _updated(before: object, content: object, merge: bool) -> object:
    """The new content of an entry. merge: ``+`` sets the given fields also if the type is among them."""
    if not isinstance(before, Mapping) or not isinstance(content, Mapping):
        return content
    replaces = "type" in content and not (merge and content["type"] == before.get("type"))
    return content if replaces else {**before, **content}


def _drop(entries: Entries, name: str, text: str) -> None:
    entry, _, field = name.rpartition(".")
    dropped = [name] if name in entries else [key for key in entries if key.startswith(f"{name}.")]
    if dropped:
        for key in dropped:
            del entries[key]
    elif isinstance(entries.get(entry), Mapping) and field in entries[entry]:
        entries[entry] = {key: value for key, value in entries[entry].items() if key != field}
    else:
        raise UserError(_no_entry(entries, name, text))


def _no_range(entries: Entries, name: str, text: str) -> str:
    """The error of a value that is neither an entry nor a field of one."""
    value = text.partition("=")[2]
    if name in entries:
        return (
            f"{text}: an entry of the search space is a range, such as {{low: 1e-4, high: 1e-2}}. To fix the value, "
            f"drop the entry and set the key: '~{PREFIX}{name}' {name}={value}."
        )
    return _no_entry(entries, name, text)


def _no_entry(entries: Entries, name: str, text: str) -> str:
    names = [*entries, *_fields(entries)]
    return f"{text}: the search space has no {name}{nearest(name, names)} It has {', '.join(entries) or 'no entry'}."


def _fields(entries: Entries) -> Iterator[str]:
    for name, content in entries.items():
        if isinstance(content, Mapping):
            yield from (f"{name}.{field}" for field in content)
