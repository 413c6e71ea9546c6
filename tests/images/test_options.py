"""Values of the `data` node of images that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from seqvise.images.options import AugmentOptions, ImageOptions, TransformOptions
from seqvise.options import option_errors


def options(**choices: Any) -> ImageOptions:
    return ImageOptions(**{"root": "somewhere", **choices})


@pytest.mark.parametrize(
    ("choices", "key"),
    [
        ({"name": "a/b"}, "data.name"),
        ({"layout": "flat"}, "data.layout"),
        ({"policy": "all"}, "data.policy"),
        ({"root": None}, "data.root"),
        ({"layout": "csv"}, "data.train"),
        ({"valid": "val"}, "data.train"),
        ({"columns": ["path", "path"]}, "data.columns"),
        ({"limit": 0}, "data.limit"),
        ({"valid_fraction": 1.0}, "data.valid_fraction"),
        ({"seed": -1}, "data.seed"),
        ({"held_out": 0}, "data.held_out"),
        ({"held_out": 0.5}, "data.held_out"),
        ({"held_out": [1]}, "data.held_out"),
        ({"held_out": True}, "data.held_out"),
        ({"backbone": ""}, "data.backbone"),
        ({"weights": None}, "data.weights"),
        ({"shard": 0}, "data.shard"),
        ({"batch_size": 0}, "data.batch_size"),
        ({"workers": -1}, "data.workers"),
        ({"transform": TransformOptions(crop=0)}, "data.transform.crop"),
        ({"transform": TransformOptions(resize=10, crop=20)}, "data.transform.crop"),
        ({"transform": TransformOptions(mean=[0.5])}, "data.transform.mean"),
        ({"transform": TransformOptions(std=[0.5, 0.5, 0.0])}, "data.transform.std"),
        ({"transform": TransformOptions(interpolation="nearest")}, "data.transform.interpolation"),
        ({"augment": AugmentOptions(zoom=0.9)}, "data.augment.zoom"),
        ({"augment": AugmentOptions(rotate=-1)}, "data.augment.rotate"),
        ({"augment": AugmentOptions(lighting=1)}, "data.augment.lighting"),
    ],
)
def test_each_wrong_value_is_one_sentence_that_names_its_key(choices: dict[str, Any], key: str) -> None:
    messages = list(option_errors(options(**choices), "data"))
    assert len(messages) == 1
    assert messages[0].startswith(f"{key} ")


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"held_out": 3},
        {"held_out": ["cat"]},
        {"held_out": "labels.txt"},
        {"weights": None, "precompute": False},
        {"layout": "pictures", "root": None},
        {"workers": 0},
    ],
)
def test_good_values_are_not_refused(choices: dict[str, Any]) -> None:
    assert list(option_errors(options(**choices), "data")) == []
