"""Hydra's and OmegaConf's errors, each as one sentence about the override that caused it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, Node, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from seqvise.config.keys import flatten, is_filled, nearest
from seqvise.config.overrides import split_override
from seqvise.config.search_path import choices, is_group
from seqvise.config.synonyms import meant, meant_choice
from seqvise.moved import EXPERIMENTS

TYPES = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false", "Enum": "another value"}
NO_CONVERSION = re.compile(r"Value '.*' of type '.*' could not be converted to (\w+)", re.DOTALL)


@dataclass(frozen=True)
class Fault:
    """An override that Hydra refuses, and the exception."""

    override: str
    error: Exception

    def sentence(self, cfg: DictConfig | None = None) -> str:
        """The error, and what to write instead. cfg: the config without this override, for the keys it has."""
        if isinstance(self.error, MissingConfigException):
            return no_choice(self.override)
        target = split_override(self.override).target
        message = one_line(self.error.__cause__ or self.error)
        if "Ambiguous value" in str(self.error):
            return _several(self.override)
        if "requires --multirun" in message:
            return f"{self.override}: this range is for a search: seqvise tune searches the space of its config file."
        if "Multiple values for" in message:
            return f"{self.override}: {target} has a choice already, which this one replaces: leave out the +."
        if "Config group override must be" in message:
            return no_choice(self.override)
        if isinstance(self.error.__cause__, (ConfigAttributeError, ConfigKeyError)):
            return _no_key(target, cfg)
        return f"{self.override}: {_value_message(self.override, message, cfg)}"


@dataclass(frozen=True)
class Unparsed(Fault):
    """An override that is not in Hydra's grammar."""

    def sentence(self, cfg: DictConfig | None = None) -> str:
        name, sign, value = self.override.partition("=")
        if not sign:
            return f"{self.override}: is not key=value; an override is written like {_example(self.override)}."
        if value.count("[") != value.count("]") or value.count("{") != value.count("}"):
            return f"{self.override}: a bracket is not closed, or not opened."
        if "'" not in value:
            return f"{self.override}: Hydra cannot read this value; put it in quotes: \"{name}='{value}'\"."
        return f"{self.override}: Hydra cannot read this ({one_line(self.error)}); put the value in quotes."


@dataclass(frozen=True)
class Misread(Fault):
    """An override whose text Hydra reads as a number, of a key whose values are text."""

    def sentence(self, cfg: DictConfig | None = None) -> str:
        target, value = split_override(self.override).target, split_override(self.override).value
        return f"{self.override}: the value would be read as the number {self.error}: write \"{target}='{value}'\"."


def misread(cfg: DictConfig, overrides: Sequence[str]) -> Iterator[Misread]:
    """Yields overrides such as ``data.train=2016_10``, whose value the config has as another text, ``201610``."""
    for text in overrides:
        _, name, _, value = split_override(text)
        if re.fullmatch(r"[-+\d][\d_.eE+-]*", value) is None:
            continue
        number = OverridesParser.create().parse_override(text).value()
        if isinstance(number, int | float) and str(number) != value and _is_text(cfg, name):
            yield Misread(text, ValueError(number))


def blamed(overrides: Sequence[str], error: Exception) -> str | None:
    """The override that an error is about, if the error names one."""
    if isinstance(error, MissingConfigException):
        return next((text for text in overrides if _file(text) == error.missing_cfg_file), None)
    message = str(error)
    exact = (text for text in overrides if text in message)
    by_key = (text for text in overrides if f"'{split_override(text).target}'" in message)
    added = (text for text in overrides if text[:1] == "+" and f"values for {split_override(text).name}." in message)
    if "Config group override must be" in message:
        return next((text for text in overrides if _is_wrong_choice(text)), None)
    return next(exact, None) or next(by_key, None) or next(added, None)


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


def _is_wrong_choice(override: str) -> bool:
    """Whether the value of a group is a number or a boolean, which Hydra takes for no name of a file."""
    parts = split_override(override)
    value = OverridesParser.create().parse_override(override).value()
    return is_group(parts.name) and isinstance(value, bool | int | float)


def _example(text: str) -> str:
    if re.fullmatch(r"[\w.@/]+", text) and not text[:1].isdigit():
        return f"{text}=VALUE"
    return "trainer.max_epochs=5"


def no_choice(override: str) -> str:
    """The error of a choice that its group does not have."""
    _, group, _, choice = split_override(override)
    known = choices(group)
    by_end = [name for name in known if name.rpartition("/")[2] == choice]
    nested = f"; did you mean {' or '.join(by_end)}?" if by_end else ""
    hint = nested or meant_choice(group, choice) or nearest(choice, [*known, *(name.lower() for name in known)])
    return f"{override}: {group} has no choice '{choice}'{hint} There are: {', '.join(known)}."


def _several(override: str) -> str:
    """The error of several values without -m, or of those among them that do not exist."""
    _, group, _, values = split_override(override)
    known = choices(group) if is_group(group) else []
    wrong = [value for value in values.split(",") if known and value.strip() not in known]
    unknown = [no_choice(f"{group}={value}") for value in wrong]
    return " ".join([f"{override}: several values are a sweep, which needs -m; a list is written [a,b].", *unknown])


def _value_message(override: str, message: str, cfg: DictConfig | None) -> str:
    """What is wrong with a value, in a sentence."""
    target, value = split_override(override).target, split_override(override).value
    if "is not Optional" in message:
        return "this key needs a value, it cannot be null."
    if "is not a subclass of" in message:
        return _node_message(target, value, cfg)
    if match := NO_CONVERSION.search(message):
        number = float(value) if re.fullmatch(r"[-+]?\d[\d.]*[eE]\+?\d+", value) else 0.5
        hint = f", such as {int(number)}" if match[1] == "Integer" and number.is_integer() else ""
        return f"the value must be {TYPES.get(match[1], match[1])}{hint}."
    return f"{message.removeprefix(f'{target}: ')}."


def _node_message(target: str, value: str, cfg: DictConfig | None) -> str:
    """A value was given to a node: names the keys in it, and the first that takes such a value as an example."""
    node = _get(cfg, target)
    if not isinstance(node, DictConfig):
        return f"{target} is a group of keys and takes no value."
    keys = [str(key) for key in node]
    example = next((key for key in keys if _takes(node, key, value)), keys[0])
    return f"{target} is a group of keys ({', '.join(keys)}); set one of them, such as {target}.{example}={value}."


def _takes(node: DictConfig, key: str, value: str) -> bool:
    """Whether a key of a node takes a value; ``scale`` multiplies others and is never meant."""
    try:
        OmegaConf.update(node.copy(), key, OverridesParser.create().parse_override(f"key={value}").value())
    except (HydraException, OmegaConfBaseException):
        return False
    return key != "scale" and not isinstance(node[key], DictConfig)


def _no_key(key: str, cfg: DictConfig | None) -> str:
    if is_group(group := f"hydra/{key}"):
        return f"{key}: there is no such key; set {group}=NAME. There are: {', '.join(choices(group))}."
    names = _names(cfg) if cfg is not None else []
    return f"{key}: there is no such key{meant(key, names) or _similar(key, names)}"


def _similar(key: str, names: Sequence[str]) -> str:
    """``; did you mean ...?`` for keys with the same or a similar last part, else a full stop."""
    last = {name.rpartition(".")[2]: name for name in reversed(names)}
    similar = difflib.get_close_matches(key.rpartition(".")[2], last, n=1, cutoff=0.75)
    whole = difflib.get_close_matches(key, names, n=1, cutoff=0.7)
    near = [*whole, *(last[name] for name in similar)]
    return f"; did you mean {near[0]}?" if near else "."


def _names(cfg: DictConfig) -> list[str]:
    """The full names of all nodes and keys."""
    content = OmegaConf.to_container(cfg)
    assert isinstance(content, dict)
    keys = (key[:end] for key, _ in flatten(content, is_filled) for end in range(1, len(key) + 1))
    return list(dict.fromkeys(map(".".join, keys)))


def _is_text(cfg: DictConfig, key: str) -> bool:
    """Whether a key's values are text; keys of `data` without a type are names of files."""
    node, _, name = key.rpartition(".")
    parent = _get(cfg, node) if node else cfg
    leaf = parent._get_node(name) if isinstance(parent, DictConfig) else None
    kind = leaf._metadata.ref_type if isinstance(leaf, Node) else None
    return kind is str or (kind is Any and node == "data")


def _get(cfg: DictConfig | None, key: str) -> Any:
    """The value of a key or node; None if it has none."""
    try:
        return None if cfg is None else OmegaConf.select(cfg, key)
    except OmegaConfBaseException:
        return None
