"""Hydra's and OmegaConf's errors, each as one sentence about the override that caused it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from seqvise.config.keys import flatten, is_filled, nearest
from seqvise.config.overrides import split_override
from seqvise.config.search_path import choices
from seqvise.moved import EXPERIMENTS


@dataclass(frozen=True)
class Fault:
    """An override that Hydra refuses, and the exception."""

    override: str
    error: Exception

    def sentence(self, cfg: DictConfig | None = None) -> str:
        """The error, and what to write instead. cfg: the config without this override, for the keys it has."""
        if isinstance(self.error, MissingConfigException):
            return _no_choice(self.override)
        if isinstance(self.error, OverrideParseException) or "token recognition" in str(self.error):
            return f"{self.override}: Hydra cannot read this ({one_line(self.error)}); put the value in quotes."
        if "Ambiguous value" in str(self.error):
            return f"{self.override}: several values are a sweep, which needs -m; a list is written [a,b]."
        target = split_override(self.override).target
        if isinstance(self.error.__cause__, (ConfigAttributeError, ConfigKeyError)):
            return _no_key(target, cfg)
        message = one_line(self.error.__cause__ or self.error)
        if "is not Optional" in message:
            return f"{self.override}: this key needs a value, it cannot be null."
        return f"{self.override}: {message.removeprefix(f'{target}: ')}."


def blamed(overrides: Sequence[str], error: Exception) -> str | None:
    """The override that an error is about, if the error names one."""
    if isinstance(error, MissingConfigException):
        return next((text for text in overrides if _file(text) == error.missing_cfg_file), None)
    message = str(error)
    exact = (text for text in overrides if text in message)
    by_key = (text for text in overrides if f"'{split_override(text).target}'" in message)
    return next(exact, None) or next(by_key, None)


def one_line(error: BaseException) -> str:
    """An error's message in one line, without OmegaConf's notes about its own objects."""
    lines = [line.strip() for line in str(error).partition("Config search path:")[0].splitlines()]
    key = next((line.removeprefix("full_key: ") for line in lines if line.startswith("full_key: ")), "")
    noted = re.compile(r"(full_key: |object_type=|reference_type=)")
    message = " ".join(line for line in lines if line and not noted.match(line))
    return f"{key}: {message}" if key and key not in message else message


def missing_file(error: MissingConfigException) -> str:
    """The error of a config file whose ``defaults`` name a file that does not exist."""
    source = re.match("In '(.+?)': ", str(error))
    file = f"{source[1]}.yaml" if source else "A config file"
    group, _, choice = str(error.missing_cfg_file).partition("/")
    renamed = EXPERIMENTS.get(choice) if group == "experiment" else None
    hint = f"; did you mean {renamed}?" if renamed else nearest(choice, choices(group))
    return f"{file}: its defaults name '{group}/{choice}', but {group} has no choice '{choice}'{hint}"


def _file(override: str) -> str:
    """The file, without its suffix, that an override chooses."""
    parts = split_override(override)
    return f"{parts.name}/{parts.value}"


def _no_choice(override: str) -> str:
    _, group, _, choice = split_override(override)
    known = choices(group)
    return f"{override}: {group} has no choice '{choice}'{nearest(choice, known)} There are: {', '.join(known)}."


def _no_key(key: str, cfg: DictConfig | None) -> str:
    names = _names(cfg) if cfg is not None else []
    last = {name.rpartition(".")[2]: name for name in names}
    hint = nearest(key, names)
    matches = difflib.get_close_matches(key.rpartition(".")[2], last, n=1, cutoff=0.8)
    if hint == "." and matches:
        hint = f"; did you mean {last[matches[0]]}?"
    return f"{key}: there is no such key{hint}"


def _names(cfg: DictConfig) -> list[str]:
    """The full names of all nodes and keys."""
    content = OmegaConf.to_container(cfg)
    assert isinstance(content, dict)
    keys = (key[:end] for key, _ in flatten(content, is_filled) for end in range(1, len(key) + 1))
    return list(dict.fromkeys(map(".".join, keys)))
