"""Search spaces: which keys are searched, and among which values."""

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


class Suggests(Protocol):
    """What of an Optuna trial a space needs."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        """A number between low and high, both included."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """A whole number between low and high, both included."""

    def suggest_categorical(self, name: str, choices: Sequence[Label]) -> Label:
        """One of the choices."""


@dataclass(frozen=True)
class FloatRange:
    """Numbers from low to high, both included; log: evenly in their logarithm; step: low and so many steps more."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def suggest(self, name: str, trial: Suggests) -> Value:
        """The trial's value."""
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def extremes(self) -> tuple[Value, ...]:
        """Values by which the whole range can be judged."""
        return self.low, self.high


@dataclass(frozen=True)
class IntRange:
    """Whole numbers, as ``FloatRange``."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def suggest(self, name: str, trial: Suggests) -> Value:
        """The trial's value."""
        return trial.suggest_int(name, self.low, self.high, step=self.step, log=self.log)

    def extremes(self) -> tuple[Value, ...]:
        """Values by which the whole range can be judged."""
        return self.low, self.high


@dataclass(frozen=True)
class Choices:
    """Values without an order. A study's database holds lists and nodes as text."""

    values: tuple[Value, ...]

    def suggest(self, name: str, trial: Suggests) -> Value:
        """The trial's value."""
        labels = list(map(label, self.values))
        return self.values[labels.index(trial.suggest_categorical(name, labels))]

    def extremes(self) -> tuple[Value, ...]:
        """All of them."""
        return self.values


Range: TypeAlias = FloatRange | IntRange | Choices


@dataclass(frozen=True)
class Parameter:
    """A key that is searched.

    Attributes:
        key: the full name of a key of the config, or of a group.
        range: its values.
        when: the parameters before it, each with the values with which alone this one is searched.
    """

    key: str
    range: Range
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def applies(self, chosen: Mapping[str, Value]) -> bool:
        """Whether it is searched beside values chosen so far."""
        return all(key in chosen and chosen[key] in values for key, values in self.when.items())


Space: TypeAlias = tuple[Parameter, ...]


def suggest(space: Space, trial: Suggests) -> dict[str, Value]:
    """A trial's value of each parameter that applies."""
    chosen: dict[str, Value] = {}
    for parameter in space:
        if parameter.applies(chosen):
            chosen[parameter.key] = parameter.range.suggest(parameter.key, trial)
    return chosen


def corners(space: Space) -> Iterator[dict[str, Value]]:
    """Few combinations in which each parameter has each of its extremes once at least."""
    done: set[tuple[str, str]] = set()
    for parameter in space:
        for value in parameter.range.extremes():
            if (parameter.key, repr(value)) not in done:
                chosen = _combination(space, {parameter.key: value, **_needed(space, parameter)}, done)
                done |= {(key, repr(each)) for key, each in chosen.items()}
                yield chosen


def _needed(space: Space, parameter: Parameter) -> dict[str, Value]:
    """Values of other parameters with which this one applies."""
    found: dict[str, Value] = {}
    for key, values in parameter.when.items():
        found[key] = values[0]
        found |= next(_needed(space, other) for other in space if other.key == key)
    return found


def _combination(space: Space, wanted: Mapping[str, Value], done: set[tuple[str, str]]) -> dict[str, Value]:
    """The values wanted, and of all others that apply the first extreme that is not done."""
    chosen: dict[str, Value] = {}
    for each in space:
        if each.key in wanted:
            chosen[each.key] = wanted[each.key]
        elif each.applies(chosen):
            extremes = each.range.extremes()
            chosen[each.key] = next((value for value in extremes if (each.key, repr(value)) not in done), extremes[0])
    return chosen


def label(value: Value) -> Label:
    """What stands for a choice in a study's database."""
    return repr(value) if isinstance(value, list | dict) else value


def read_space(node: Mapping[str, Any], key: str = "tune.space") -> Space:
    """The space of a config node, in the order written.

    Keys can be written whole (``optimizer.lr: {...}``) or as nodes within nodes.

    Args:
        node: plain values.
        key: its full name, for messages.

    Raises:
        UserError: with a sentence for each parameter that cannot be.
    """
    found: dict[str, Parameter] = {}
    problems: list[str] = []
    for name, content in flat(node).items():
        problem = _problem(name, content, f"{key}.{name}") or _problem_of_when(content, found, f"{key}.{name}")
        if problem:
            problems.append(problem)
        else:
            found[name] = Parameter(name, _range(content), _when(content))
    if problems:
        raise UserError(*problems)
    return tuple(found.values())


def flat(node: Mapping[str, Any]) -> dict[str, Any]:
    """Each parameter's node by its full name; of two for one name, the later adds to the earlier."""
    found: dict[str, Any] = {}
    for names, value in flatten(node, lambda _, value: _is_nested(value)):
        key = ".".join(names)
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = {**found[key], **value} if both else value
    return found


def as_plain(space: Space) -> dict[str, Any]:
    """A space as plain values, equal for equal spaces."""
    return {
        each.key: {
            "type": type(each.range).__name__,
            **{name: list(value) if isinstance(value, tuple) else value for name, value in vars(each.range).items()},
            "when": {key: list(values) for key, values in each.when.items()},
        }
        for each in space
    }


def _is_nested(content: object) -> bool:
    words = RANGE | CHOICES
    return isinstance(content, Mapping) and bool(content) and not words.intersection(content)


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


def _problem(name: str, node: object, key: str) -> str | None:
    """What is wrong with a parameter's node by itself."""
    if not KEY.fullmatch(name):
        return f"{key}: '{name}' is not the name of a key."
    if not isinstance(node, Mapping) or node.get("type") not in TYPES:
        return (
            f"{key} has no type: write it as {{type: float, low: 1e-4, high: 1e-2, log: true}}, "
            "{type: int, low: 1, high: 4} or {type: categorical, choices: [a, b]}."
        )
    known = CHOICES if node["type"] == "categorical" else RANGE
    if strangers := sorted(set(map(str, node)) - known):
        return f"{key}.{strangers[0]}: there is no such key for {node['type']}; there are {', '.join(sorted(known))}."
    return _problem_of_choices(node, key) if node["type"] == "categorical" else _problem_of_range(node, key)


def _problem_of_choices(node: Mapping[str, Any], key: str) -> str | None:
    choices = node.get("choices")
    if not isinstance(choices, list) or not choices:
        return f"{key}.choices is empty: give at least one value, as [a, b]."
    if any(isinstance(value, float) and not math.isfinite(value) for value in choices):
        return f"{key}.choices holds a number that is not finite."
    labels = list(map(label, choices))
    if twice := [value for place, value in enumerate(labels) if value in labels[:place]]:
        return f"{key}.choices has {twice[0]} twice."
    return None


def _problem_of_range(node: Mapping[str, Any], key: str) -> str | None:
    numbers = {name: node.get(name) for name in ("low", "high", "step") if name != "step" or node.get(name) is not None}
    for name, value in numbers.items():
        if not _is_number(value, node["type"]):
            expected = "a whole number" if node["type"] == "int" else "a number"
            return f"{key}.{name} is {value}, but must be {expected}."
    low, high = float(node["low"]), float(node["high"])
    if low > high:
        return f"{key} is empty: low is {node['low']} and high is {node['high']}; exchange them."
    return _problem_of_scale(node, low, key)


def _problem_of_scale(node: Mapping[str, Any], low: float, key: str) -> str | None:
    log, step = node.get("log", False), node.get("step")
    if not isinstance(log, bool):
        return f"{key}.log is {log}, but must be true or false."
    if step is not None and step <= 0:
        return f"{key}.step is {step}, but must be above 0."
    if log and step is not None:
        return f"{key}: log and step do not go together: leave one out."
    if log and (low <= 0 or (node["type"] == "int" and low < 1)):
        return f"{key}.low is {node['low']}, but with log must be above 0."
    return None


def _problem_of_when(node: Mapping[str, Any], before: Mapping[str, Parameter], key: str) -> str | None:
    when = node.get("when") or {}
    if not isinstance(when, Mapping):
        return f"{key}.when is {when}, but must be names and values, as {{optimizer: sgd}}."
    for name, values in _when(node).items():
        if name not in before:
            return f"{key}.when names {name}, which is not searched before it."
        ruler = before[name].range
        if isinstance(ruler, Choices) and (strange := [value for value in values if value not in ruler.values]):
            return f"{key}.when: {name} is never {strange[0]}."
    return None


def _is_number(value: object, kind: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return kind == "float" or value == int(value)
