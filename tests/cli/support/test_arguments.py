"""Parsing of key=value arguments: everything after the first equal sign is the value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.cli.support.plain_command import keys_of, parse, usage
from seqvise.errors import UserError


@dataclass(frozen=True)
class Options:
    run: Annotated[Path, "the run directory"]
    query: Annotated[str, "what is looked for"] = "-"
    k: Annotated[int, "answers"] = 3
    scale: Annotated[float, "a factor"] = 1.0
    quiet: Annotated[bool, "say nothing"] = False


def test_words_get_the_types_of_their_keys() -> None:
    options = parse(["run=a b/c", "k=7", "scale=1e-3", "quiet=true"], Options)
    assert options == Options(Path("a b/c"), "-", 7, 1e-3, True)


@given(st.text())
def test_a_value_may_contain_any_text(value: str) -> None:
    assert parse(["run=x", f"query={value}"], Options).query == value


@pytest.mark.parametrize(
    "value", ["où est l'été, là ?", "a=b=c", "engine + boat - wing", '"quoted"', "", "[1,2]", "${x}"]
)
def test_accents_equal_signs_and_commas_stay(value: str) -> None:
    assert parse([f"query={value}", "run=x"], Options).query == value


def test_an_optional_key_has_the_type_of_its_value() -> None:
    @dataclass(frozen=True)
    class Optional:
        plot: Annotated[Path | None, "a file"] = None
        limit: Annotated[int | None, "how many"] = None

    assert parse([], Optional) == Optional(None, None)
    assert parse(["plot=a", "limit=2"], Optional) == Optional(Path("a"), 2)
    with pytest.raises(UserError, match="limit is 'x', but must be a whole number"):
        parse(["limit=x"], Optional)


def test_all_errors_are_reported_together() -> None:
    with pytest.raises(UserError) as caught:
        parse(["querry=x", "k=many", "quiet=perhaps", "stray"], Options)
    assert caught.value.messages == (
        "querry: there is no such key; did you mean query?",
        "k is 'many', but must be a whole number.",
        "quiet is 'perhaps', but must be true or false.",
        "'stray' is not key=value; the keys are run, query, k, scale, quiet.",
        "run=... is missing: the run directory.",
    )


def test_a_key_of_many_keeps_every_value() -> None:
    @dataclass(frozen=True)
    class Several:
        run: Annotated[tuple[Path, ...], "run directories"]
        sizes: Annotated[tuple[int, ...], "numbers"] = ()

    assert parse(["run=a", "sizes=1", "run=b=c"], Several) == Several((Path("a"), Path("b=c")), (1,))
    with pytest.raises(UserError) as caught:
        parse(["sizes=1", "sizes=x"], Several)
    assert caught.value.messages == (
        "sizes is 'x', but must be a whole number.",
        "run=... is missing: run directories.",
    )


def test_keys_of_a_command_come_before_inherited_keys() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Fast(Options):
        run: Annotated[Path, "where"]
        speed: Annotated[int | None, "how fast"] = None

    assert list(keys_of(Fast)) == ["run", "speed", "query", "k", "scale", "quiet"]
    assert keys_of(Fast)["speed"].value_type is int


def test_a_key_whose_value_is_wrong_is_not_also_missing() -> None:
    @dataclass(frozen=True)
    class One:
        k: Annotated[int, "a number"]

    with pytest.raises(UserError) as caught:
        parse(["k=x"], One)
    assert len(caught.value.messages) == 1


def test_usage_names_every_key_and_its_default() -> None:
    lines = usage("search", Options).splitlines()
    assert lines[0] == "usage: seqvise search key=value ..."
    assert "  k=      answers (default 3)" in lines
    assert "  run=    the run directory" in lines


def test_help_shows_no_empty_default() -> None:
    @dataclass(frozen=True)
    class WithEmpty:
        output: Annotated[str, "a folder"] = ""

    assert usage("x", WithEmpty).endswith("output=  a folder")
