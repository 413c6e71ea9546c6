"""A command whose words are ``key=value``, with nothing of Hydra."""

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
TRUTH = {"true": True, "false": False}
READERS: dict[Any, tuple[Callable[[str], object], str]] = {
    str: (str, "text"),
    Path: (Path, "a path"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (lambda value: TRUTH[value.lower()], "true or false"),
}


@dataclass(frozen=True)
class Key:
    """A key that a command knows: a field written ``name: Annotated[type, "what it is"] = default``.

    A key of type ``tuple[type, ...]`` may be given several times.
    """

    name: str
    kind: Any
    about: str
    default: Any
    many: bool = False

    def read(self, value: str) -> object:
        """The value as the key's type.

        Raises:
            UserError: the text is not of that type.
        """
        reader, expected = READERS[self.kind]
        try:
            return reader(value)
        except (ValueError, KeyError):
            raise UserError(f"{self.name} is '{value}', but must be {expected}.") from None


def keys_of(options: type[Any]) -> dict[str, Key]:
    """The keys of an options dataclass, by name."""
    told = {name: get_args(hint) for name, hint in get_type_hints(options, include_extras=True).items()}
    # A command's own keys stand before those that it shares with others.
    items = sorted(fields(options), key=lambda item: item.name not in options.__annotations__)
    return {item.name: _key(item, *told[item.name]) for item in items}


def parse(words: Sequence[str], options: type[OptionsT]) -> OptionsT:
    """The dataclass that the words fill in. Each is split at its first ``=``.

    A later value wins over an earlier one; of a key that may be given several times all are kept.

    Raises:
        UserError: for unknown, missing and unreadable words, all of them at once.
    """
    keys = keys_of(options)
    given: dict[str, Any] = {}
    problems: list[str] = []
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or name not in keys:
            problems.append(_unknown(word, name, sign, list(keys)))
            continue
        before = given.setdefault(name, ())
        try:
            read = keys[name].read(value)
            given[name] = (*before, read) if keys[name].many else read
        except UserError as error:
            problems += error.messages
    absent = [key for key in keys.values() if key.default is MISSING and key.name not in given]
    problems += [f"{key.name}=... is missing: {key.about}." for key in absent]
    if problems:
        raise UserError(*problems)
    return options(**given)


def usage(command: str, options: type[Any], prefix: str = "") -> str:
    """The help text of a command: each key, behind a prefix, what it is, and its default."""
    keys = keys_of(options).values()
    width = max(len(prefix + key.name) for key in keys) + 1
    lines = [f"  {prefix + key.name + '=':<{width}}  {key.about}{_default(key)}" for key in keys]
    return "\n".join([f"usage: seqvise {command} key=value ...", "", *lines])


def _key(item: Field[Any], hint: Any, about: str) -> Key:
    """The key of a field, which may also be None where it is not given, or a tuple."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return Key(item.name, kinds[0] if kinds else hint, about, item.default, get_origin(hint) is tuple)


def _unknown(word: str, name: str, sign: str, known: list[str]) -> str:
    if not sign:
        return f"'{word}' is not key=value; the keys are {', '.join(known)}."
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}."
    return f"{name}: there is no such key; {hint}"


def _default(key: Key) -> str:
    if key.default in (MISSING, None, ()):
        return ""
    return f" (default {str(key.default).lower() if key.kind is bool else key.default})"


def words_command(
    name: str,
    options: type[OptionsT],
    action: Callable[[OptionsT], Any],
    argv: Sequence[str] | None,
    level: int = logging.INFO,
) -> int:
    """Reads the words, or shows what they can be, calls ``action`` with them and gives the exit code.

    Args:
        name: the command's name.
        options: the dataclass that the words fill in.
        action: what the command does.
        argv: the command's words; null: those of the process.
        level: the least of what is logged to standard error.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if any(word in ("-h", "--help") for word in words):
        print(usage(name, options))
        return 0

    def command() -> None:
        keep_memory()
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(PlainFormatter())
        logging.basicConfig(level=level, handlers=[handler])
        chosen = parse(words, options)
        if getattr(chosen, "trust", False):
            find_own_modules()
        action(chosen)

    return exit_code(command)


def find_own_modules() -> None:
    """Lets the config name classes of your own modules, in the folder where the command was started."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)
