"""Overrides of a search space that a config file defines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from omegaconf import OmegaConf

from seqvise.config.search_path import conf_folder
from seqvise.tuning.space import Choices, FloatRange, IntRange, Range, read_space
from seqvise.tuning.space_overrides import changed_space

SPACE: Any = OmegaConf.to_container(OmegaConf.load(conf_folder() / "tune" / "lr_dropout.yaml").space)
RATE = FloatRange(3e-4, 1e-2, log=True)
DROPOUT = {"model.dropout.scale": FloatRange(0.0, 2.0, step=0.25)}
CHANGES: dict[str, tuple[list[str], Mapping[str, Range]]] = {
    "narrowed": (["tune.space.optimizer.lr.low=1e-3"], {"optimizer.lr": FloatRange(1e-3, 1e-2, log=True), **DROPOUT}),
    "several fields": (
        ["tune.space.optimizer.lr={low: 1e-3, high: 3e-3}"],
        {"optimizer.lr": FloatRange(1e-3, 3e-3, log=True), **DROPOUT},
    ),
    "replaced": (
        ["tune.space.optimizer.lr={type: float, low: 1e-3, high: 3e-3}"],
        {"optimizer.lr": FloatRange(1e-3, 3e-3), **DROPOUT},
    ),
    "of another type": (
        ["tune.space.optimizer.lr={type: categorical, choices: [1e-3, 3e-3]}"],
        {"optimizer.lr": Choices((1e-3, 3e-3)), **DROPOUT},
    ),
    "with a plus": (
        ["+tune.space.optimizer.lr={type: float, low: 1e-3, high: 3e-3}"],
        {"optimizer.lr": FloatRange(1e-3, 3e-3, log=True), **DROPOUT},
    ),
    "dropped": (["~tune.space.model.dropout.scale"], {"optimizer.lr": RATE}),
    "dropped first": (["~tune.space.optimizer.lr"], DROPOUT),
    "all below a node": (["~tune.space.model"], {"optimizer.lr": RATE}),
    "without a field": (["~tune.space.optimizer.lr.log"], {"optimizer.lr": FloatRange(3e-4, 1e-2), **DROPOUT}),
    "added": (
        ["tune.space.model.encoder_layers={type: int, low: 1, high: 2}"],
        {"optimizer.lr": RATE, **DROPOUT, "model.encoder_layers": IntRange(1, 2)},
    ),
    "a group": (
        ["+tune.space.model={type: categorical, choices: [rnn, attention]}"],
        {"optimizer.lr": RATE, **DROPOUT, "model": Choices(("rnn", "attention"))},
    ),
    "added as a node": (
        ["+tune.space.model={encoder_layers: {type: int, low: 1, high: 2}}", "tune.space.model.encoder_layers.high=3"],
        {"optimizer.lr": RATE, **DROPOUT, "model.encoder_layers": IntRange(1, 3)},
    ),
}


@pytest.mark.parametrize(("overrides", "space"), CHANGES.values(), ids=CHANGES)
def test_entries_are_narrowed_replaced_dropped_and_added(overrides: list[str], space: Mapping[str, Range]) -> None:
    entries, messages = changed_space(SPACE, overrides)
    assert messages == []
    assert [(parameter.key, parameter.range) for parameter in read_space(entries)] == list(space.items())


@pytest.mark.parametrize("space", [SPACE, {"optimizer": {"lr": SPACE["optimizer.lr"]}}], ids=["dotted", "nested"])
def test_the_space_of_the_file_is_kept(space: dict[str, object]) -> None:
    before = repr(space)
    entries, _ = changed_space(space, ["tune.space.optimizer.lr.low=1e-3", "~tune.space.optimizer.lr.log"])
    assert entries["optimizer.lr"] == {"type": "float", "low": 1e-3, "high": 1e-2}
    assert repr(space) == before
