"""Search spaces: valid nodes, and samples from them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.errors import UserError
from seqvise.tuning.space import Choices, FloatRange, IntRange, Parameter, as_plain, corners, read_space, suggest

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)

bounds = st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)).map(sorted)
floats = st.builds(
    lambda low_high, log: {"type": "float", "low": low_high[0], "high": low_high[1], "log": log}, bounds, st.booleans()
)
ints = st.builds(
    lambda low, width, step: {"type": "int", "low": low, "high": low + width, "step": step},
    st.integers(-50, 50),
    st.integers(0, 40),
    st.integers(1, 5),
)
primitives = st.none() | st.text(max_size=5) | st.integers(2, 99) | st.floats(0.1, 0.9)
choices = st.lists(primitives | st.lists(primitives, max_size=3), min_size=1, max_size=4, unique_by=repr).map(
    lambda values: {"type": "categorical", "choices": values}
)
nodes = st.dictionaries(st.sampled_from(["a", "b.c", "d.e.f", "g"]), floats | ints | choices, min_size=1)


@settings(max_examples=60, deadline=None)
@given(node=nodes, seed=st.integers(0, 1000))
def test_suggested_values_are_in_the_space(node: dict[str, Any], seed: int) -> None:
    space = read_space(node)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    values = suggest(space, study.ask())
    assert list(values) == list(node)
    for key, value in values.items():
        drawn = node[key]
        if drawn["type"] == "categorical":
            assert value in drawn["choices"]
        else:
            assert drawn["low"] <= value <= drawn["high"]
        if drawn["type"] == "int":
            assert isinstance(value, int)
            assert (value - drawn["low"]) % drawn["step"] == 0


@settings(max_examples=60, deadline=None)
@given(node=nodes)
def test_corners_have_every_extreme(node: dict[str, Any]) -> None:
    space = read_space(node)
    combinations = list(corners(space))
    for parameter in space:
        assert {repr(values[parameter.key]) for values in combinations} == set(map(repr, parameter.range.extremes()))
    assert len(combinations) <= max(len(parameter.range.extremes()) for parameter in space)


CONDITIONAL = {
    "optimizer": {"type": "categorical", "choices": ["adam", "adamw", "sgd"]},
    "optimizer.betas": {
        "type": "categorical",
        "choices": [[0.9, 0.98], [0.8, 0.99]],
        "when": {"optimizer": ["adam", "adamw"]},
    },
    "optimizer.momentum": {"type": "float", "low": 0.5, "high": 0.9, "when": {"optimizer": "sgd"}},
}


def test_a_conditional_key_is_sampled_if_and_only_if_its_condition_holds() -> None:
    space = read_space(CONDITIONAL)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [suggest(space, study.ask()) for _ in range(40)]
    assert {values["optimizer"] for values in drawn} == {"adam", "adamw", "sgd"}
    for values in drawn:
        assert ("optimizer.momentum" in values) == (values["optimizer"] == "sgd")
        assert ("optimizer.betas" in values) == (values["optimizer"] != "sgd")
        assert values.get("optimizer.betas", [0.9, 0.98]) in ([0.9, 0.98], [0.8, 0.99])


def test_corners_cover_conditional_keys() -> None:
    combinations = list(corners(read_space(CONDITIONAL)))
    assert {values.get("optimizer.momentum") for values in combinations} == {None, 0.5, 0.9}
    assert {repr(values.get("optimizer.betas")) for values in combinations} == {"None", "[0.9, 0.98]", "[0.8, 0.99]"}
    assert {values["optimizer"] for values in combinations} == {"adam", "adamw", "sgd"}
    assert all(("optimizer.momentum" in values) == (values["optimizer"] == "sgd") for values in combinations)


def test_keys_can_be_dotted_or_nested_and_later_nodes_update_earlier_ones() -> None:
    whole = {"optimizer.lr": {"type": "float", "low": 0.1, "high": 1, "log": True}, "model.layers": [1]}
    nested = {"optimizer": {"lr": {"high": 0.5}}, "model": {"layers": {"type": "int", "low": 1, "high": 2}}}
    assert read_space({**whole, **nested}) == (
        Parameter("optimizer.lr", FloatRange(0.1, 0.5, log=True)),
        Parameter("model.layers", IntRange(1, 2)),
    )


def test_different_spaces_have_different_plain_values() -> None:
    space = (Parameter("a", FloatRange(0.0, 1.0)), Parameter("b", Choices((1, "1")), {"a": (0.5,)}))
    assert as_plain(space) == as_plain(tuple(reversed(space)))
    others = [
        (space[0],),
        (Parameter("a", FloatRange(0.0, 1.0, log=True)), space[1]),
        (Parameter("a", IntRange(0, 1)), space[1]),
        (space[0], Parameter("b", Choices((1, 1)), {"a": (0.5,)})),
        (space[0], Parameter("b", Choices((1, "1")))),
    ]
    assert all(as_plain(other) != as_plain(space) for other in others)


FLOAT, INT, CHOICE = {"type": "float"}, {"type": "int"}, {"type": "categorical"}


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ({**FLOAT, "low": 2, "high": 1}, "s.k is empty: low is 2 and high is 1"),
        ({**INT, "low": 2, "high": 1}, "s.k is empty: low is 2 and high is 1"),
        ({**CHOICE, "choices": []}, "s.k.choices is empty"),
        (CHOICE, "s.k.choices is empty"),
        ({**CHOICE, "choices": [1, "a", 1]}, "s.k.choices contains 1 twice"),
        ({**CHOICE, "choices": [1, True]}, "s.k.choices contains True twice"),
        ({**CHOICE, "choices": [math.nan]}, "not finite"),
        ({**FLOAT, "low": 0, "high": 1, "log": True}, "s.k.low is 0, but with log must be above 0"),
        ({**FLOAT, "low": 1, "high": 2, "log": True, "step": 1}, "log and step cannot be combined"),
        ({**FLOAT, "low": 1, "high": 2, "step": 0}, "s.k.step is 0"),
        ({**FLOAT, "low": 1, "high": 2, "log": "yes"}, "s.k.log is yes"),
        ({**FLOAT, "low": 1}, "s.k.high is None, but must be a number"),
        ({**FLOAT, "low": "a", "high": 2}, "s.k.low is a, but must be a number"),
        ({**FLOAT, "low": 0, "high": math.inf}, "s.k.high is inf"),
        ({**INT, "low": 1.5, "high": 2}, "s.k.low is 1.5, but must be a whole number"),
        ({**FLOAT, "low": 1, "high": 2, "choices": [1]}, "s.k.choices: unknown key for type float"),
        ({"type": "real", "low": 1, "high": 2}, "s.k has no type"),
        ([1, 2], "s.k has no type"),
        ({**FLOAT, "low": 1, "high": 2, "when": {"z": 1}}, "s.k.when names z, which is not searched before it"),
        ({**FLOAT, "low": 1, "high": 2, "when": {"first": "c"}}, "s.k.when: first is never c"),
        ({**FLOAT, "low": 1, "high": 2, "when": 3}, "s.k.when is 3"),
    ],
)
def test_an_invalid_parameter_is_refused(node: Any, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        read_space({"first": {"type": "categorical", "choices": ["a", "b"]}, "k": node}, "s")
    (message,) = refused.value.messages
    assert sentence in message
    assert message.endswith(".")


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(UserError) as refused:
        read_space({"a": {**FLOAT, "low": 2, "high": 1}, "b": CHOICE, "no key": {**INT, "low": 1, "high": 2}})
    assert len(refused.value.messages) == 3
