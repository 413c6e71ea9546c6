"""Overrides in Hydra's grammar: their parts, how to write one, and how to write them as an experiment file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from seqvise.config.search_path import is_group
from seqvise.moved import EXPERIMENTS

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
KEYWORDS = ("null", "true", "false", "nan", "inf")
INTERPOLATION = re.compile(r"(\\*)\$\{")


class OverrideParts(NamedTuple):
    """The parts of an override such as ``+group@package=value``; a part that it does not have is empty.

    Attributes:
        sign: ``+`` or ``++`` to add a key, ``~`` to delete one.
        name: a key or a group as it is written, such as ``optimizer.lr`` or ``hydra/launcher``.
        package: the node that a group is composed into, if the override names one.
        value: text after the first ``=``.
    """

    sign: str
    name: str
    package: str
    value: str

    @property
    def key(self) -> str:
        """The name with dots only: that of a group is the key of its node."""
        return self.name.replace("/", ".")

    @property
    def target(self) -> str:
        """The name with the package, as in Hydra's messages."""
        return f"{self.name}@{self.package}" if self.package else self.name


def split_override(text: str) -> OverrideParts:
    """Splits an override into its parts, also if Hydra cannot parse it."""
    before, _, value = text.partition("=")
    target = before.lstrip("+~")
    name, _, package = target.partition("@")
    return OverrideParts(before.removesuffix(target), name, package, value)


def key_of(text: str) -> str:
    """The key that an override sets, or the key of the node that it chooses."""
    return split_override(text).key


def swept_targets(hydra: Mapping[str, Any]) -> set[str]:
    """The keys and groups that a sweep varies. hydra: the ``hydra`` node of the sweep's config."""
    params = hydra.get("sweeper", {}).get("params") or {}
    words = [
        *map(str, hydra.get("overrides", {}).get("task") or ()),
        *(f"{key}={text}" for key, text in params.items()),
    ]
    parsed = OverridesParser.create().parse_overrides(words)
    return {split_override(word.get_key_element()).target for word in parsed if word.is_sweep_override()}


def override(key: str, value: Any) -> str:
    """The override that sets a key to a value; text is quoted and escaped."""
    return f"{key}={_text(value)}"


@dataclass(frozen=True)
class Experiment:
    """Overrides as the content of an experiment file.

    Attributes:
        text: YAML with the package line, without a comment.
        left: overrides that cannot be in such a file.
    """

    text: str
    left: tuple[str, ...]


def as_experiment(overrides: Sequence[str], values: Mapping[str, Any]) -> Experiment:
    """Converts overrides to an experiment file. values: values of further keys, which take precedence."""
    parser = OverridesParser.create()
    parsed = [parser.parse_override(text) for text in (*overrides, *(override(*item) for item in values.items()))]
    left = tuple(str(item.input_line) for item in parsed if not _fits_file(item))
    groups: dict[str, Any] = {}
    content = OmegaConf.create()
    for item in filter(_fits_file, parsed):
        if _is_choice(item):
            groups[item.key_or_group] = item.value()
        else:
            OmegaConf.update(content, item.key_or_group, item.value(), force_add=True)
    return Experiment(_yaml(groups, content), left)


def _yaml(groups: dict[str, Any], content: DictConfig) -> str:
    experiment = groups.pop("experiment", None)
    base = [] if experiment is None else [f"/experiment/{EXPERIMENTS.get(experiment, experiment)}"]
    defaults = [*base, *({f"override /{group}": choice} for group, choice in groups.items()), "_self_"]
    head = OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults}))
    return "# @package _global_\n" + head + (f"\n{OmegaConf.to_yaml(content)}" if content else "")


def _fits_file(parsed: Override) -> bool:
    """Whether an experiment file can hold it: it deletes nothing, adds no group, and is not an override of Hydra."""
    of_hydra = parsed.key_or_group.partition(".")[0] == "hydra"
    adds_group = parsed.is_add() and is_group(parsed.key_or_group)
    return not (of_hydra or parsed.is_delete() or parsed.package is not None or adds_group)


def _is_choice(parsed: Override) -> bool:
    value = parsed.value()
    return is_group(parsed.key_or_group) and (value is None or isinstance(value, str))


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(_text, value)) + "]"
    return repr(value)


def _quoted(text: str) -> str:
    """Quotes text that Hydra would parse as another type, as grammar, or as an interpolation."""
    if PLAIN.fullmatch(text) and text.lower() not in KEYWORDS:
        return text
    return str(QuotedString(INTERPOLATION.sub(r"\1\1\\${", text), Quote.single).with_quotes())
