"""Overrides as text, their parts, and overrides as an experiment file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from seqvise.config.compose import compose
from seqvise.config.overrides import as_experiment, key_of, override, split_override
from seqvise.config.schema import typed

texts = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" '\"\\$={},[]:#~"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
).filter(lambda value: value != "???")


@settings(max_examples=400, deadline=None)
@given(value=values)
@example(value="true")
@example(value="1e-3")
@example(value="${paths.data}")
@example(value="\\${a}\\")
@example(value="it's [a,b], isn't it\\")
@example(value=["a,b", "null", [1.0, None]])
@example(value=1e-05)
def test_a_word_gives_back_its_value(value: Any) -> None:
    text = override("key", value)
    parsed = OverridesParser.create().parse_override(text)
    assert not parsed.is_sweep_override()
    config = OmegaConf.create()
    OmegaConf.update(config, "key", parsed.value())
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    assert container["key"] == value
    assert type(container["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "parts", "key", "target"),
    [
        ("a.b=c=d", ("", "a.b", "", "c=d"), "a.b", "a.b"),
        ("+a=1", ("+", "a", "", "1"), "a", "a"),
        ("~a", ("~", "a", "", ""), "a", "a"),
        ("++a/b@c.d=1", ("++", "a/b", "c.d", "1"), "a.b", "a/b@c.d"),
        ("model=rnn", ("", "model", "", "rnn"), "model", "model"),
        ("paths.data='~/a@b+c'", ("", "paths.data", "", "'~/a@b+c'"), "paths.data", "paths.data"),
        ("a=", ("", "a", "", ""), "a", "a"),
    ],
)
def test_the_parts_of_an_override(text: str, parts: tuple[str, ...], key: str, target: str) -> None:
    split = split_override(text)
    assert split == parts
    assert (split.key, split.target, key_of(text)) == (key, target, key)


@pytest.mark.parametrize("text", ["a.b='c=d'", "+a=1", "~a", "++a/b@c.d=1", "~a/b@c", "paths.data='~/a@b+c'"])
def test_the_parts_are_those_of_hydra(text: str) -> None:
    parsed, split = OverridesParser.create().parse_override(text), split_override(text)
    assert (parsed.key_or_group, parsed.package or "") == (split.name, split.package)
    assert parsed.get_key_element() == split.sign + split.target
    assert parsed.get_value_element_as_str() == (split.value or "null")  # "~a" has no value, which Hydra writes as null


WORDS = (
    "model=rnn",
    "data=tatoeba",
    "experiment=lesson11/attention",
    "optimizer=adamw",
    "trainer.max_epochs=3",
    "paths.data='a folder, with=signs'",
    "+callbacks.extra.mine={_target_: a.B, words: [a, 'b,c']}",
    "data.limit=null",
    "hydra.job.num=3",
)
VALUES = {"optimizer": "sgd", "optimizer.lr": 1e-05, "optimizer.betas": [0.5, 0.75], "model.attention": "none"}


def test_the_file_is_the_command_line(tmp_path: Path) -> None:
    experiment = as_experiment(WORDS, VALUES)
    assert experiment.left == ("hydra.job.num=3",)
    file = tmp_path / "conf" / "experiment" / "tuned" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(experiment.text, encoding="utf-8")
    with patch("seqvise.config.schema.own_folder", return_value=tmp_path / "conf"):
        by_file = typed(compose(["experiment=tuned/mine"]))
    words = [text for text in WORDS if not text.startswith("optimizer=")]
    assert by_file == typed(compose([*words, *(override(*item) for item in VALUES.items())]))
    assert (by_file.optimizer.name, by_file.optimizer.lr, by_file.trainer.max_epochs) == ("sgd", 1e-05, 3)


def test_what_no_file_can_hold_is_left() -> None:
    words = ("~logger", "+tune=devise", "model@other=rnn", "seed=3")
    experiment = as_experiment(words, {})
    assert experiment.left == words[:3]
    assert experiment.text.splitlines()[-1] == "seed: 3"


def test_an_experiment_file_extends_a_former_experiment_by_its_present_name() -> None:
    assert "- /experiment/lesson11/rnn\n" in as_experiment(["experiment=seed/rnn"], {}).text
