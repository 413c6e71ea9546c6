"""Choices that cannot be are told in a sentence, before anything is loaded."""

from typing import Any

import pytest

from seqvise.decoding.options import DecodingOptions
from seqvise.options import option_errors

WRONG = [
    ({"beam": 0}, "beam is 0, but must be at least 1."),
    ({"beam": 2, "nbest": 3}, "nbest is 3, but beam=2 finds at most 2: set beam=3 or temperature=1."),
    ({"temperature": -1.0}, "temperature is -1.0, but must be 0 or more."),
    ({"alpha": float("nan")}, "alpha is nan, but must be 0 or more."),
    ({"beam": 4, "temperature": 0.5}, "beam is 4, which searches, but temperature=0.5 samples: set only one of them."),
    ({"top_k": 5}, "top_k is 5, but only applies to sampling: set temperature=1 with it."),
    ({"top_p": 0.5}, "top_p is 0.5, but only applies to sampling: set temperature=1 with it."),
    ({"top_p": 0.0, "temperature": 1.0}, "top_p is 0.0, but must be above 0 and at most 1."),
    ({"length_penalty": "gmnt"}, "length_penalty is 'gmnt', but must be one of average, gnmt, none."),
    ({"min_length": 5, "max_length": 4}, "min_length is 5, above max_length, which is 4."),
    ({"max_length": 0}, "max_length is 0, but must be at least 1."),
    ({"min_ratio": 2.0}, "min_ratio is 2.0, above max_ratio, which is 1.5."),
    (
        {"max_ratio": 0.0, "max_extra": 0},
        "max_ratio and max_extra are both 0, which allows no word: raise one of them.",
    ),
    ({"unknown": ""}, "unknown is empty, but must be keep, copy or the name of a file."),
]


@pytest.mark.parametrize(("choices", "sentence"), WRONG)
def test_an_invalid_option_is_reported_once(choices: dict[str, Any], sentence: str) -> None:
    assert list(option_errors(DecodingOptions(**choices))) == [sentence]


def test_the_key_precedes_each_name() -> None:
    (message,) = option_errors(DecodingOptions(beam=4, temperature=0.5), "decoding")
    assert message == "decoding.beam is 4, which searches, but decoding.temperature=0.5 samples: set only one of them."


@pytest.mark.parametrize(
    "choices", [{}, {"beam": 5, "nbest": 5}, {"temperature": 1.0, "nbest": 9, "top_k": 3, "top_p": 0.9}]
)
def test_valid_options_have_no_errors(choices: dict[str, Any]) -> None:
    assert list(option_errors(DecodingOptions(**choices))) == []
