"""Commands with ``key=value`` arguments that do not use Hydra."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from seqvise.cli.support.exit_codes import exit_code
from seqvise.errors import UserError
from seqvise.machine import keep_memory
from seqvise.plain_text import PlainFormatter

OptionsT = TypeVar("OptionsT")
BOOLEANS = {"true": True, "false": False}
READERS: dict[Any, tuple[Callable[[str], object], str]] = {
    str: (str, "text"),
    Path: (Path, "a path"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (lambda value: BOOLEANS[value.lower()], "true or false"),
}


@dataclass(frozen=True)
class Key:
    """A key of a command: a field written ``name: Annotated[type, "help text"] = default``.

    A key of type ``tuple[type, ...]`` can be repeated. A third argument of ``Annotated`` is the name of a key that
    differs from the field's, such as ``against.beam``.
    """

    name: str
    field: str
    value_type: Any
    help_text: str
    default: Any
    repeatable: bool = False

    def read(self, value: str) -> object:
        """Converts a value to the key's type.

        Raises:
            UserError: the text is not a value of that type.
        """
        reader, expected = READERS[self.value_type]
        try:
            return reader(value)
        except (ValueError, KeyError):
            raise UserError(f"{self.name} is '{value}', but must be {expected}.") from None


def keys_of(options: type[Any]) -> dict[str, Key]:
    """The keys of an options dataclass, by name."""
    annotations = {name: get_args(hint) for name, hint in get_type_hints(options, include_extras=True).items()}
    # Keys of the command itself come before those inherited from a base class.
    items = sorted(fields(options), key=lambda item: item.name not in options.__annotations__)
    keys = [_key(item, *annotations[item.name]) for item in items]
    return {key.name: key for key in keys}


def parse(argv: Sequence[str], options: type[OptionsT]) -> OptionsT:
    """Parses ``key=value`` arguments into the dataclass. Each argument is split at its first ``=``.

    A later value replaces an earlier one; a repeatable key keeps all its values.

    Raises:
        UserError: arguments are unknown, missing or invalid; all of them are reported.
    """
    keys = keys_of(options)
    values: dict[str, Any] = {}
    messages: list[str] = []
    for argument in argv:
        name, sign, value = argument.partition("=")
        if not sign or name not in keys:
            messages.append(_unknown(argument, name, sign, list(keys)))
            continue
        key = keys[name]
        previous = values.setdefault(key.field, ())
        try:
            parsed = key.read(value)
            values[key.field] = (*previous, parsed) if key.repeatable else parsed
        except UserError as error:
            messages += error.messages
    missing = [key for key in keys.values() if key.default is MISSING and key.field not in values]
    messages += [f"{key.name}=... is missing: {key.help_text}." for key in missing]
    if messages:
        raise UserError(*messages)
    return options(**values)


def usage(command: str, options: type[Any], prefix: str = "") -> str:
    """The help text of a command: each key, with a prefix, its description and its default."""
    keys = keys_of(options).values()
    width = max(len(prefix + key.name) for key in keys) + 1
    lines = [f"  {prefix + key.name + '=':<{width}}  {key.help_text}{_default(key)}" for key in keys]
    return "\n".join([f"usage: seqvise {command} key=value ...", "", *lines])


def _key(item: Field[Any], hint: Any, help_text: str, name: str = "") -> Key:
    """The key of a field, whose type may be optional or a tuple. name: if it differs from the field's."""
    types = [argument for argument in get_args(hint) if argument is not type(None)]
    return Key(
        name or item.name, item.name, types[0] if types else hint, help_text, item.default, get_origin(hint) is tuple
    )


def _unknown(argument: str, name: str, sign: str, known: list[str]) -> str:
    if not sign:
        return f"'{argument}' is not key=value; the keys are {', '.join(known)}."
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}."
    return f"{name}: there is no such key; {hint}"


def _default(key: Key) -> str:
    if key.default in (MISSING, None, (), ""):
        return ""
    return f" (default {str(key.default).lower() if key.value_type is bool else key.default})"


def plain_command(
    name: str,
    options: type[OptionsT],
    action: Callable[[OptionsT], Any],
    argv: Sequence[str] | None,
    level: int = logging.INFO,
) -> int:
    """Parses the arguments, calls ``action`` with them, and returns the exit code; ``--help`` prints the help text.

    Args:
        name: the command's name.
        options: the dataclass of the arguments.
        action: called with the options.
        argv: the command's arguments; None: those of the process.
        level: the lowest level that is logged to standard error.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if any(argument in ("-h", "--help") for argument in args):
        print(usage(name, options))
        return 0

    def command() -> None:
        keep_memory()
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(PlainFormatter())
        logging.basicConfig(level=level, handlers=[handler])
        parsed = parse(args, options)
        if getattr(parsed, "trust", False):
            add_working_directory()
        action(parsed)

    return exit_code(command)


def add_working_directory() -> None:
    """Adds the working directory to the import path, so that configs can name classes of your own modules."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)
