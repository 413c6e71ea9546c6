"""Hydra's and OmegaConf's errors, each as one sentence about the word on the command line that caused it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from seqvise.config.search_path import choices


@dataclass(frozen=True)
class Fault:
    """A word of the command line and what was raised about it."""

    word: str
    error: Exception

    def sentence(self, cfg: DictConfig | None = None) -> str:
        """What is wrong and what to write instead. cfg: the config without this word, for the names it has."""
        if isinstance(self.error, MissingConfigException):
            return _no_choice(self.word)
        if isinstance(self.error, OverrideParseException) or "token recognition" in str(self.error):
            return f"{self.word}: Hydra cannot read this ({one_line(self.error)}); put the value in quotes."
        if "Ambiguous value" in str(self.error):
            return f"{self.word}: several values are a sweep, which needs -m; a list is written [a,b]."
        if isinstance(self.error.__cause__, (ConfigAttributeError, ConfigKeyError)):
            return _no_key(_key(self.word), cfg)
        told = one_line(self.error.__cause__ or self.error)
        if "is not Optional" in told:
            return f"{self.word}: this key needs a value, it cannot be null."
        return f"{self.word}: {told.removeprefix(_key(self.word) + ': ')}."


def blamed(words: Sequence[str], error: Exception) -> str | None:
    """The word that an error is about, if it names one."""
    if isinstance(error, MissingConfigException):
        wanted = error.missing_cfg_file
        return next((word for word in words if "/".join(_parts(word)) == wanted), None)
    told = str(error)
    exact = (word for word in words if word in told)
    by_key = (word for word in words if f"'{_key(word)}'" in told)
    return next(exact, None) or next(by_key, None)


def one_line(error: BaseException) -> str:
    """An error's message in one line, without OmegaConf's notes on its own objects."""
    lines = [line.strip() for line in str(error).partition("Config search path:")[0].splitlines()]
    key = next((line.removeprefix("full_key: ") for line in lines if line.startswith("full_key: ")), "")
    told = " ".join(line for line in lines if line and not re.match(r"(full_key: |object_type=|reference_type=)", line))
    return f"{key}: {told}" if key and key not in told else told


def nearest(name: str, names: Iterable[str]) -> str:
    """``; did you mean ...?`` where a name much like this one exists, else a full stop."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else "."


def _no_choice(word: str) -> str:
    group, choice = _parts(word)
    known = choices(group)
    return f"{word}: {group} has no choice '{choice}'{nearest(choice, known)} There are: {', '.join(known)}."


def _no_key(key: str, cfg: DictConfig | None) -> str:
    names = _names(cfg) if cfg is not None else []
    last = {name.rpartition(".")[2]: name for name in names}
    hint = nearest(key, names)
    found = difflib.get_close_matches(key.rpartition(".")[2], last, n=1, cutoff=0.8)
    if hint == "." and found:
        hint = f"; did you mean {last[found[0]]}?"
    return f"{key}: there is no such key{hint}"


def _names(node: DictConfig, prefix: str = "") -> list[str]:
    found: list[str] = []
    for key in map(str, node):
        found.append(prefix + key)
        child = None if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key) else node[key]
        if isinstance(child, DictConfig):
            found += _names(child, f"{prefix}{key}.")
    return found


def _parts(word: str) -> tuple[str, str]:
    key, _, value = word.lstrip("+~").partition("=")
    return key.partition("@")[0], value


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]
