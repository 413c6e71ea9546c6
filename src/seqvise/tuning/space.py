"""Search spaces: the keys to search and their values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from seqvise.config.keys import flatten
from seqvise.errors import UserError

Value: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None
Label: TypeAlias = bool | int | float | str | None
TYPES = ("float", "int", "categorical")
KEY = re.compile(r"[A-Za-z_][\w./@-]*")
RANGE = {"type", "low", "high", "log", "step", "when"}
CHOICES = {"type", "choices", "when"}


class OptunaTrial(Protocol):
    """The methods of an Optuna trial that a space uses."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        """A number between low and high, both included."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """An integer between low and high, both included."""

    def suggest_categorical(self, name: str, choices: Sequence[Label]) -> Label:
        """One of the choices."""


@dataclass(frozen=True)
class FloatRange:
    """Numbers in [low, high]. log: uniform in the logarithm; step: only low plus multiples of step."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def suggest(self, name: str, trial: OptunaTrial) -> Value:
        """Samples the trial's value."""
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def extremes(self) -> tuple[Value, ...]:
        """Values at which the whole range can be validated."""
        return self.low, self.high


@dataclass(frozen=True)
class IntRange:
    """Integers in [low, high]; otherwise as ``FloatRange``."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def suggest(self, name: str, trial: OptunaTrial) -> Value:
        return trial.suggest_int(name, self.low, self.high, step=self.step, log=self.log)

    def extremes(self) -> tuple[Value, ...]:
        return self.low, self.high


@dataclass(frozen=True)
class Choices:
    """Unordered values. The study's database stores lists and nodes as text."""

    values: tuple[Value, ...]

    def suggest(self, name: str, trial: OptunaTrial) -> Value:
        labels = list(map(label, self.values))
        return self.values[labels.index(trial.suggest_categorical(name, labels))]

    def extremes(self) -> tuple[Value, ...]:
        return self.values


Range: TypeAlias = FloatRange | IntRange | Choices


@dataclass(frozen=True)
class Parameter:
    """A key that is searched.

    Attributes:
        key: the full name of a key of the config, or of a group.
        when: earlier parameters -> their values for which this one is searched.
    """

    key: str
    range: Range
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def applies(self, chosen: Mapping[str, Value]) -> bool:
        """Whether it is searched, given the values chosen so far."""
        return all(key in chosen and chosen[key] in values for key, values in self.when.items())


Space: TypeAlias = tuple[Parameter, ...]


def suggest(space: Space, trial: OptunaTrial) -> dict[str, Value]:
    """Samples a value for each parameter that applies."""
    chosen: dict[str, Value] = {}
    for parameter in space:
        if parameter.applies(chosen):
            chosen[parameter.key] = parameter.range.suggest(parameter.key, trial)
    return chosen


def corners(space: Space) -> Iterator[dict[str, Value]]:
    """A few combinations in which each parameter takes each of its extremes at least once."""
    covered: set[tuple[str, str]] = set()
    for parameter in space:
        for value in parameter.range.extremes():
            if (parameter.key, repr(value)) not in covered:
                chosen = _combination(space, {parameter.key: value, **_required_values(space, parameter)}, covered)
                covered |= {(key, repr(chosen_value)) for key, chosen_value in chosen.items()}
                yield chosen


def _required_values(space: Space, parameter: Parameter) -> dict[str, Value]:
    """Values of other parameters for which this one applies."""
    required: dict[str, Value] = {}
    for key, values in parameter.when.items():
        required[key] = values[0]
        required |= next(_required_values(space, other) for other in space if other.key == key)
    return required


def _combination(space: Space, required: Mapping[str, Value], covered: set[tuple[str, str]]) -> dict[str, Value]:
    """The required values; for the other parameters that apply, the first extreme that is not covered yet."""
    chosen: dict[str, Value] = {}
    for parameter in space:
        key = parameter.key
        if key in required:
            chosen[key] = required[key]
        elif parameter.applies(chosen):
            extremes = parameter.range.extremes()
            chosen[key] = next((value for value in extremes if (key, repr(value)) not in covered), extremes[0])
    return chosen


def label(value: Value) -> Label:
    """Representation of a choice in the study's database."""
    return repr(value) if isinstance(value, list | dict) else value


def read_space(node: Mapping[str, Any], key: str = "tune.space") -> Space:
    """The space of a config node, in its order.

    Keys can be dotted (``optimizer.lr: {...}``) or nested nodes.

    Args:
        node: plain values.
        key: full name of the node, for messages.

    Raises:
        UserError: with one sentence for each invalid parameter.
    """
    parameters: dict[str, Parameter] = {}
    messages: list[str] = []
    for name, content in flat(node).items():
        message = _error(name, content, f"{key}.{name}") or _when_error(content, parameters, f"{key}.{name}")
        if message:
            messages.append(message)
        else:
            parameters[name] = Parameter(name, _range(content), _when(content))
    if messages:
        raise UserError(*messages)
    return tuple(parameters.values())


def flat(node: Mapping[str, Any]) -> dict[str, Any]:
    """Full name of each parameter -> its node. A later node for the same name updates the earlier one."""
    nodes: dict[str, Any] = {}
    for names, value in flatten(node, lambda _, value: _is_nested(value)):
        key = ".".join(names)
        both = isinstance(value, Mapping) and isinstance(nodes.get(key), Mapping)
        nodes[key] = {**nodes[key], **value} if both else value
    return nodes


def as_plain(space: Space) -> dict[str, Any]:
    """A space as plain values; equal for equal spaces."""
    return {
        parameter.key: {
            "type": type(parameter.range).__name__,
            **{
                name: list(value) if isinstance(value, tuple) else value
                for name, value in vars(parameter.range).items()
            },
            "when": {key: list(values) for key, values in parameter.when.items()},
        }
        for parameter in space
    }


def _is_nested(content: object) -> bool:
    type_keys = RANGE | CHOICES
    return isinstance(content, Mapping) and bool(content) and not type_keys.intersection(content)


def _range(node: Mapping[str, Any]) -> Range:
    if node["type"] == "categorical":
        return Choices(tuple(node["choices"]))
    log, step = bool(node.get("log", False)), node.get("step")
    if node["type"] == "int":
        return IntRange(int(node["low"]), int(node["high"]), log, 1 if step is None else int(step))
    return FloatRange(float(node["low"]), float(node["high"]), log, None if step is None else float(step))


def _when(node: Mapping[str, Any]) -> dict[str, tuple[Value, ...]]:
    conditions = dict(node.get("when") or {})
    return {name: tuple(value) if isinstance(value, list) else (value,) for name, value in conditions.items()}


def _error(name: str, node: object, key: str) -> str | None:
    """Error in the node of a single parameter."""
    if not KEY.fullmatch(name):
        return f"{key}: '{name}' is not a valid key name."
    if not isinstance(node, Mapping) or node.get("type") not in TYPES:
        return (
            f"{key} has no type: write it as {{type: float, low: 1e-4, high: 1e-2, log: true}}, "
            "{type: int, low: 1, high: 4} or {type: categorical, choices: [a, b]}."
        )
    known = CHOICES if node["type"] == "categorical" else RANGE
    if unknown := sorted(set(map(str, node)) - known):
        return f"{key}.{unknown[0]}: unknown key for type {node['type']}; known are {', '.join(sorted(known))}."
    return _choices_error(node, key) if node["type"] == "categorical" else _range_error(node, key)


def _choices_error(node: Mapping[str, Any], key: str) -> str | None:
    choices = node.get("choices")
    if not isinstance(choices, list) or not choices:
        return f"{key}.choices is empty: write at least one value, as in [a, b]."
    if any(isinstance(value, float) and not math.isfinite(value) for value in choices):
        return f"{key}.choices contains a number that is not finite."
    labels = list(map(label, choices))
    if duplicates := [value for index, value in enumerate(labels) if value in labels[:index]]:
        return f"{key}.choices contains {duplicates[0]} twice."
    return None


def _range_error(node: Mapping[str, Any], key: str) -> str | None:
    numbers = {name: node.get(name) for name in ("low", "high", "step") if name != "step" or node.get(name) is not None}
    for name, value in numbers.items():
        if not _is_number(value, node["type"]):
            expected = "a whole number" if node["type"] == "int" else "a number"
            return f"{key}.{name} is {value}, but must be {expected}."
    low, high = float(node["low"]), float(node["high"])
    if low > high:
        return f"{key} is empty: low is {node['low']} and high is {node['high']}; swap them."
    return _scale_error(node, low, key)


def _scale_error(node: Mapping[str, Any], low: float, key: str) -> str | None:
    log, step = node.get("log", False), node.get("step")
    if not isinstance(log, bool):
        return f"{key}.log is {log}, but must be true or false."
    if step is not None and step <= 0:
        return f"{key}.step is {step}, but must be above 0."
    if log and step is not None:
        return f"{key}: log and step cannot be combined: remove one."
    if log and (low <= 0 or (node["type"] == "int" and low < 1)):
        return f"{key}.low is {node['low']}, but with log must be above 0."
    return None


def _when_error(node: Mapping[str, Any], earlier: Mapping[str, Parameter], key: str) -> str | None:
    when = node.get("when") or {}
    if not isinstance(when, Mapping):
        return f"{key}.when is {when}, but must map names to values, as in {{optimizer: sgd}}."
    for name, values in _when(node).items():
        if name not in earlier:
            return f"{key}.when names {name}, which is not searched before it."
        condition_range = earlier[name].range
        if isinstance(condition_range, Choices) and (
            impossible := [value for value in values if value not in condition_range.values]
        ):
            return f"{key}.when: {name} is never {impossible[0]}."
    return None


def _is_number(value: object, type_name: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return type_name == "float" or value == int(value)
