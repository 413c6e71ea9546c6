"""The printed tables."""

import io

import pytest
from rich.console import Console

from seqvise.evaluation.report import EvaluationReport, Sampling, build_report
from seqvise.evaluation.tables import show
from tests.evaluation.systems import BAD, GOOD, SOURCES, corpus, system

LONG = "outputs/runs/full/2026-11-21_11-29-44_697869/" * 3


def shown(report: EvaluationReport, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show(report, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture(scope="module")
def two() -> EvaluationReport:
    return build_report(corpus(), [system(LONG, GOOD, 1.5), system("bad", BAD)], True, 2, Sampling(50, 1), 5)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_truncated_or_too_wide(two: EvaluationReport, width: int) -> None:
    text = shown(two, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert LONG in text.replace("\n", "").replace(" ", "")
    assert SOURCES[1] in text  # brackets are text, not markup
    for name in ("BLEU", "chrF", "TER", "BLEU on tokens", "perplexity"):
        assert any(line.startswith(f"{name} ") for line in text.splitlines())


def test_tables_have_the_numbers(two: EvaluationReport) -> None:
    lines = [line.split() for line in shown(two, 120).splitlines()]
    row = next(line for line in lines if line[:1] == ["TER"])
    assert two.against is not None
    assert (row[1], row[5]) == (f"{two.run.scores['ter'].value:.2f}", f"{two.against.scores['ter'].value:.2f}")
    difference = next(line for line in lines if line[:1] == ["TER"] and line[1][0] in "+-")
    comparison = two.significance["ter"]
    assert difference[1] == f"{comparison.difference:+.2f}"
    assert difference[-2:] == [f"{comparison.bootstrap:.4f}", f"{comparison.randomisation:.4f}"]
    assert ["perplexity", "4.482"] in lines


def test_a_single_system_has_no_columns_of_another() -> None:
    report = build_report(corpus(), [system("good", GOOD)], False, 1, Sampling(50, 1), 5)
    text = shown(report, 80)
    assert "against" not in text
    assert "perplexity" not in text
    assert "compared with case" in text
    assert "1 empty source, 1 empty reference" in text
