"""Overrides as words of Hydra's grammar, and as an experiment file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from seqvise.config.search_path import choices

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
WORDS = ("null", "true", "false", "nan", "inf")
INTERPOLATION = re.compile(r"(\\*)\$\{")


def override(key: str, value: Any) -> str:
    """The word that gives a key that value, whatever signs a text holds."""
    return f"{key}={_text(value)}"


def key_of(word: str) -> str:
    """The key, or the group, that a word is about."""
    return word.partition("=")[0].lstrip("+~").partition("@")[0].replace("/", ".")


@dataclass(frozen=True)
class Experiment:
    """Overrides as the content of an experiment file.

    Attributes:
        text: YAML, with the package but without a comment.
        left: words that no such file can hold.
    """

    text: str
    left: tuple[str, ...]


def as_experiment(words: Sequence[str], values: Mapping[str, Any]) -> Experiment:
    """The file that stands for a command line's words and further values, which win over them."""
    parser = OverridesParser.create()
    parsed = [parser.parse_override(word) for word in (*words, *(override(*item) for item in values.items()))]
    left = tuple(str(each.input_line) for each in parsed if not _is_for_file(each))
    groups: dict[str, Any] = {}
    content = OmegaConf.create()
    for each in filter(_is_for_file, parsed):
        if _is_choice(each):
            groups[each.key_or_group] = each.value()
        else:
            OmegaConf.update(content, each.key_or_group, each.value(), force_add=True)
    return Experiment(_yaml(groups, content), left)


def _yaml(groups: dict[str, Any], content: DictConfig) -> str:
    experiment = groups.pop("experiment", None)
    based = [] if experiment is None else [f"/experiment/{experiment}"]
    defaults = [*based, *({f"override /{group}": choice} for group, choice in groups.items()), "_self_"]
    written = OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults}))
    return "# @package _global_\n" + written + (f"\n{OmegaConf.to_yaml(content)}" if content else "")


def _is_for_file(each: Override) -> bool:
    """Whether an experiment file can hold it: not what takes away, adds a group, or is Hydra's own."""
    own = each.key_or_group.partition(".")[0] == "hydra"
    added = each.is_add() and bool(choices(each.key_or_group))
    return not (own or each.is_delete() or each.package is not None or added)


def _is_choice(each: Override) -> bool:
    value = each.value()
    return bool(choices(each.key_or_group)) and (value is None or isinstance(value, str))


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_text(each)}" for name, each in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(_text, value)) + "]"
    return repr(value)


def _quoted(text: str) -> str:
    """A text that is neither taken for another type nor for grammar, nor for an interpolation."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return str(QuotedString(INTERPOLATION.sub(r"\1\1\\${", text), Quote.single).with_quotes())
