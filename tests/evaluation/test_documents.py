"""Scores of documents: accuracy, F1 and confusion by hand; their printed tables."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from rich.console import Console

from seqvise.errors import UserError
from seqvise.evaluation.documents import (
    DocumentReport,
    PerplexityStatistics,
    build_document_report,
    label_indices,
    label_system,
    show_documents,
)
from seqvise.evaluation.report import Sampling

TEXTS = ["good", "", "bad", "bad", "odd"]
LABELS = ("neg", "pos")
TRUTH = [1, 0, 0, 1]


def report(width_of_names: int = 1) -> DocumentReport:
    systems = [
        label_system(name * width_of_names, predictions, TRUTH, 2)
        for name, predictions in (("run", [1, 0, 0, 0]), ("other", [0, 0, 1, 1]))
    ]
    return build_document_report({"source": "s", "target": "t"}, TEXTS, systems, Sampling(50, 1), LABELS)


def test_scores_are_those_counted_by_hand() -> None:
    result = report()
    assert (result.documents, result.empty) == (4, 1)
    assert result.run.scores["accuracy"].value == 75
    assert result.run.confusion == [[2, 0], [1, 1]]
    assert result.run.values["f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert result.against is not None
    assert result.against.scores["accuracy"].value == 50
    assert result.significance["accuracy"].difference == 25


def test_perplexity_of_a_corpus_weighs_lines_by_their_tokens() -> None:
    statistics = PerplexityStatistics(None, np.array([[2.0, 1.0], [6.0, 3.0], [4.0, 4.0]]))
    assert statistics.score() == pytest.approx(math.exp(12 / 8))
    assert statistics.scores(np.array([[1e6, 1.0]])).tolist() == [math.inf]


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show_documents(report(40), console)
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, output.splitlines())) <= width
    assert "…" not in output
    rows = [line.split() for line in output.splitlines()]
    assert ["neg", "2", "0", "0.8000"] in rows
    assert ["pos", "1", "1", "0.6667"] in rows


def test_labels_that_the_run_does_not_have_are_named_with_their_lines() -> None:
    assert label_indices("target=t", ["pos ", "x", "neg", "neg", "pos"], TEXTS, LABELS) == TRUTH
    with pytest.raises(
        UserError, match=r"target=t: 2 lines have no label of the run, e.g. line 3 has 'up', line 5 has"
    ):
        label_indices("target=t", ["pos", "x", "up", "neg", ""], TEXTS, LABELS)
