"""One walker through a tree of options, and options of earlier versions."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from seqvise.models.recurrent.options import DropoutOptions, RecurrentOptions
from seqvise.options import NODE, Options, Problem, at_least, one_of, option_errors
from tests.earlier import EARLIER

FORMER = r"Former\.problems\(key\) is now validate\(\)"


@dataclass
class Inner(Options):
    rate: float = 0.5
    kind: str = "fast"
    limit: int | None = None

    def validate(self) -> Iterator[Problem]:
        yield from at_least(self, 0, "rate")
        yield from one_of(self, kind=("fast", "slow"))
        yield from at_least(self, 1, "limit", null="for no limit")
        if self.kind == "slow" and self.rate > 1:
            yield "rate", f"is {self.rate}, above 1: set {NODE}.rate=1 or {NODE}.kind=fast."


@dataclass
class Plain:
    """Without the base class, and without ``validate``."""

    inner: Inner = field(default_factory=Inner)


@dataclass
class Outer(Options):
    plain: Plain = field(default_factory=Plain)
    inner: Inner | None = None
    table: dict[str, object] = field(default_factory=dict)

    def validate(self) -> Iterator[Problem]:
        for name in self.table:
            yield f"table.{name}", "is not allowed."


def test_each_sentence_begins_with_the_path_of_its_key() -> None:
    tree = Outer(Plain(Inner(rate=-1.0, limit=0)), Inner(kind="odd"), {"a": 1})
    assert list(option_errors(tree, "root")) == [
        "root.table.a is not allowed.",
        "root.plain.inner.rate is -1.0, but must be at least 0.",
        "root.plain.inner.limit is 0, but must be at least 1, or null for no limit.",
        "root.inner.kind is 'odd', but must be one of fast, slow.",
    ]
    assert list(option_errors(Outer())) == []


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("", "rate is 2.0, above 1: set rate=1 or kind=fast."),
        ("a.b", "a.b.rate is 2.0, above 1: set a.b.rate=1 or a.b.kind=fast."),
    ],
)
def test_other_keys_of_the_node_get_its_path(key: str, sentence: str) -> None:
    assert list(option_errors(Inner(2.0, "slow"), key)) == [sentence]


def test_not_a_number_is_below_every_minimum() -> None:
    assert list(option_errors(Inner(float("nan")))) == ["rate is nan, but must be at least 0."]


def former(base: type = RecurrentOptions) -> type:
    """Options as earlier versions wanted them, as a new class, for which no warning was raised yet."""

    @dataclass
    class Former(base):  # type: ignore[misc]
        pooling: str = "mean"

        def problems(self, key: str) -> Iterator[str]:
            if base is not object:
                yield from super().problems(key)
            if self.pooling not in ("mean", "max"):
                yield f"{key}.pooling is '{self.pooling}', but must be one of mean, max."

    return Former


def test_former_options_are_checked_with_all_that_they_extend_and_one_warning() -> None:
    options = former()(pooling="sum", cell="qrnn", dropout=DropoutOptions(source=1.0))
    expected = [
        "model.cell is 'qrnn', but must be one of gru, lstm.",
        "model.dropout.source times model.dropout.scale is 1, but a dropout must be at least 0 and below 1.",
        "model.pooling is 'sum', but must be one of mean, max.",
    ]
    with pytest.warns(DeprecationWarning, match=FORMER) as caught:
        assert list(option_errors(options, "model")) == expected
    assert len(caught) == 1
    assert list(option_errors(replace(options, pooling="add"), "model"))[:2] == expected[:2]


def test_former_options_without_our_base_are_checked() -> None:
    with pytest.warns(DeprecationWarning, match=FORMER):
        errors = list(option_errors(Outer(table={}, plain=former(object)(pooling="sum")), "data"))
    assert errors == ["data.plain.pooling is 'sum', but must be one of mean, max."]


def test_former_options_may_hand_the_key_on_to_options_of_today() -> None:
    @dataclass
    class Former:
        inner: Inner = field(default_factory=lambda: Inner(kind="odd"))

        def problems(self, key: str) -> Iterator[str]:
            yield from self.inner.problems(f"{key}.inner")

    with pytest.warns(DeprecationWarning, match=FORMER) as caught:
        assert list(option_errors(Former(), "m")) == ["m.inner.kind is 'odd', but must be one of fast, slow."]
    assert len(caught) == 1


def test_the_example_of_an_earlier_version_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EARLIER / "examples")
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.delitem(sys.modules, "mine.options", raising=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        options = importlib.import_module("mine.options").BagOptions(pooling="sum", decoder_layers=0)
        errors = list(option_errors(options, "model"))
    monkeypatch.delitem(sys.modules, "mine.options")
    assert errors == [
        "model.decoder_layers is 0, but must be at least 1.",
        "model.pooling is 'sum', but must be one of mean, max.",
    ]
    assert [str(warning.message).partition(" ")[0] for warning in caught if "validate()" in str(warning.message)] == [
        "mine.options.BagOptions.problems(key)"
    ]
