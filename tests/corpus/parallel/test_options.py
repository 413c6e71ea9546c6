from dataclasses import replace

import pytest

from seqvise.corpus.parallel.options import DataOptions, SideLimits, SideScripts
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.options import option_errors

GOOD = DataOptions(root="/text", train="train")


def errors_of(**choices: object) -> list[str]:
    return list(option_errors(replace(GOOD, **choices), "data"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        replace(GOOD, batch_size=None, batch_tokens=4000),
        replace(GOOD, questions_only=True, limit=1, max_tokens=SideLimits(1, 1), cut_percentile=100.0),
        replace(GOOD, cut_percentile={"source": 97, "target": None}),
        DataOptions(format="csv", train="-", scripts=SideScripts(target=["latin", "han"]), max_ratio=1.0),
        replace(GOOD, train=["a", "b"], valid=["c"], weights=[0.5, 3.0]),
        DataOptions(format="phrasebook", source="en", target="fr"),
        DataOptions(format="tabbed", root=".", train="x.tsv", source="text", target="title", columns=["title", "text"]),
    ],
)
def test_valid_options_have_no_problems(data: DataOptions) -> None:
    assert list(option_errors(data, "data")) == []


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"name": "a/b"}, ["data.name is 'a/b'"]),
        ({"format": "xml"}, ["data.format is 'xml', but must be one of phrasebook, tabbed, paired, csv, parquet."]),
        ({"root": None, "train": None}, ["data.root is not set", "data.train is not set"]),
        ({"target": "fr"}, ["data.source and data.target are both 'fr'"]),
        ({"format": "phrasebook", "source": "de"}, ["data.source is de and data.target is en"]),
        ({"format": "tabbed", "source": "de"}, ["data.source is 'de', but must be named once in data.columns"]),
        ({"question_patterns": {"en": "("}}, ["data.question_patterns.en is not a regular expression"]),
        ({"questions_only": True, "source": "de"}, ["there is no pattern for 'de': set data.question_patterns.de."]),
        ({"limit": 0}, ["data.limit is 0"]),
        ({"max_tokens": SideLimits(0, -1)}, ["data.max_tokens.source is 0", "data.max_tokens.target is -1"]),
        ({"cut_percentile": 0.0}, ["data.cut_percentile is 0.0"]),
        ({"cut_percentile": 100.5}, ["data.cut_percentile is 100.5"]),
        ({"cut_percentile": {"source": 0, "target": 99}}, ["data.cut_percentile is {'source': 0"]),
        ({"cut_percentile": {"french": 97}}, ["data.cut_percentile is {'french': 97}"]),
        ({"cut_percentile": "97"}, ["data.cut_percentile is 97"]),
        ({"valid_fraction": 1.0}, ["data.valid_fraction is 1.0"]),
        (
            {"format": "phrasebook", "valid_fraction": 0.5},
            ["data.valid_fraction is 0.5, but must be above 0 and below 0.5"],
        ),
        ({"seed": -1}, ["data.seed is -1"]),
        ({"batch_size": None}, ["data.batch_size and data.batch_tokens are null"]),
        ({"batch_size": 0, "valid_batch_size": 0}, ["data.batch_size is 0", "data.valid_batch_size is 0"]),
        ({"train": []}, ["data.train is not set"]),
        ({"train": ["a", ""]}, ["data.train is ['a', ''], but must be a name, or a list of names"]),
        ({"valid": {"a": 1}}, ["data.valid is {'a': 1}, but must be a name"]),
        ({"train": "-"}, ["data.train has '-', standard input, but that can only be all of data.train"]),
        ({"format": "tabbed", "valid": "-"}, ["data.valid has '-', standard input"]),
        ({"weights": [1.0, 2.0]}, ["data.weights has 2 numbers, but data.train 1 names"]),
        ({"weights": [0.0]}, ["data.weights is [0.0], but each must be above 0 and at most 1000."]),
        ({"encoding_errors": "ignore"}, ["data.encoding_errors is 'ignore', but must be one of refuse, replace."]),
        ({"max_characters": 0, "max_ratio": 0.5}, ["data.max_characters is 0", "data.max_ratio is 0.5"]),
        (
            {"scripts": SideScripts(source=["roman"], target=[])},
            [
                "data.scripts.source has 'roman', but must be names from arabic, ",
                "data.scripts.target is an empty list",
            ],
        ),
        ({"bucket": 0, "workers": -1}, ["data.bucket is 0", "data.workers is -1"]),
        ({"rare_as_unknown": 0.0}, ["data.rare_as_unknown is 0.0, but must be above 0"]),
    ],
)
def test_every_wrong_choice_is_told(choices: dict[str, object], expected: list[str]) -> None:
    messages = errors_of(**choices)
    assert len(messages) == len(expected)
    assert all(part in sentence for part, sentence in zip(expected, messages, strict=True))


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        (TokenizerOptions(), []),
        (TokenizerOptions(name="moses", case="upper"), ["tokenizer.name is 'moses'", "tokenizer.case is 'upper'"]),
        (TokenizerOptions(name="chars", case="marked"), ["tokenizer.case is 'marked'"]),
        (TokenizerOptions(max_words=0, min_count=0), ["tokenizer.max_words is 0", "tokenizer.min_count is 0"]),
    ],
)
def test_wrong_tokenizers_are_told(tokenizer: TokenizerOptions, expected: list[str]) -> None:
    messages = list(option_errors(tokenizer, "tokenizer"))
    assert len(messages) == len(expected)
    assert all(part in sentence for part, sentence in zip(expected, messages, strict=True))


def test_batch_tokens_replaces_batch_size() -> None:
    assert replace(GOOD, batch_tokens=4000).batch_size is None
    assert errors_of(batch_tokens=4000) == []
