"""Contents and labels of the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqvise.reports.curves import learning_curve
from seqvise.reports.figures import COLOURS, as_svg, curves_figure, heat_figure, importance_figure, parallel_figure
from seqvise.reports.importance import Importance, Share
from seqvise.reports.report import SweepReport, build_report
from seqvise.reports.sweep import read_sweeps
from tests.reports.events import write_events
from tests.reports.folders import make_run

SCORES = {("rnn", 0.001): (10.0, 12.0), ("rnn", 0.01): (8.0,), ("full", 0.001): (20.0,), ("full", 0.1): (None,)}


@pytest.fixture
def report(tmp_path: Path) -> SweepReport:
    number = 0
    for (model, rate), scores in SCORES.items():
        for seed, score in enumerate(scores):
            run = make_run(
                tmp_path / str(number),
                {"optimizer": {"lr": rate}, "seed": seed},
                None if score is None else {"val/bleu": score},
                {"model": model},
                (f"model={model}", f"optimizer.lr={rate}"),
                {"status": "failed", "why": "NaN"} if score is None else None,
            )
            write_events(run, "val/bleu", [(100, 5.0), (200, score or 6.0)])
            number += 1
    return build_report(read_sweeps([tmp_path]))


def lines(axes: Any) -> dict[tuple[float, ...], Any]:
    return {tuple(line.get_ydata()): line for line in axes.lines}


def test_curves_are_coloured_by_configuration(report: SweepReport) -> None:
    figure = curves_figure(report, {job.path: learning_curve(job, "val/bleu") for job in report.jobs()})
    (axes,) = figure.axes
    assert axes.get_xlabel() == "training step"
    assert axes.get_ylabel() == "val/bleu"
    drawn = lines(axes)
    assert drawn[5.0, 20.0].get_color() == COLOURS[0]
    assert drawn[5.0, 10.0].get_color() == drawn[5.0, 12.0].get_color() == COLOURS[1]
    assert (drawn[5.0, 20.0].get_linestyle(), drawn[5.0, 6.0].get_linestyle()) == ("-", "--")
    (legend,) = figure.legends
    assert [label.get_text() for label in legend.get_texts()][:2] == [
        "model=full, optimizer.lr=0.001",
        "model=rnn, optimizer.lr=0.001",
    ]


def test_parallel_coordinates_end_at_the_result(report: SweepReport) -> None:
    axes: Any = parallel_figure(report).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["model", "optimizer.lr", "val/bleu"]
    paths = sorted(tuple(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 3)
    assert paths == [
        pytest.approx((0.0, 0.0, 1.0)),
        pytest.approx((1.0, 0.0, 2 / 12)),
        pytest.approx((1.0, 0.0, 4 / 12)),
        pytest.approx((1.0, 1.0, 0.0)),
    ]
    assert {"rnn", "full", "0.001", "0.01", "8", "20", "14"} <= {text.get_text() for text in axes.texts}


def test_no_line_crosses_a_label_of_the_parallel_coordinates(report: SweepReport) -> None:
    axes: Any = parallel_figure(report).axes[0]
    labels = [text for text in axes.texts if text.get_bbox_patch() is not None]
    assert all(label.get_bbox_patch().get_alpha() is None for label in labels)
    assert min(label.get_zorder() for label in labels) > max(line.get_zorder() for line in axes.lines)
    sides = {label.xy[0]: label.get_horizontalalignment() for label in labels}
    assert sides == {0: "right", 1: "left", 2: "left"}


def test_the_heat_map_shows_means_and_blanks(report: SweepReport) -> None:
    axes = heat_figure(report, "model", "optimizer.lr").axes[0]
    assert {text.get_text() for text in axes.texts} == {"20\nn=1", "11\nn=2", "8\nn=1"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["full", "rnn"]
    image = axes.images[0].get_array()
    assert image is not None
    assert image.tolist() == [[20.0, 11.0], [None, 8.0]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("model", "optimizer.lr")


def test_bars_of_importance() -> None:
    hyperparameters = Importance(
        "Believe it.", {"lr": (Share(0.7, 0.1), Share(0.9, 0.2)), "model": (Share(0.3, 0.1), Share(0.1, 0.2))}
    )
    axes: Any = importance_figure(hyperparameters).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.7, 0.3, 0.9, 0.1]
    assert axes.get_title(loc="left") == "Believe it."


def test_the_same_figure_is_the_same_file(report: SweepReport) -> None:
    first, second = (as_svg(heat_figure(report, "model", "optimizer.lr")) for _ in range(2))
    assert first == second
    assert first.startswith(b"<?xml")


def test_a_dollar_in_a_name_is_not_math(tmp_path: Path) -> None:
    for number, text in enumerate(("$a$", "$")):
        make_run(tmp_path / str(number), {"te$t": text}, {"val/bleu": float(number)})
    report = build_report(read_sweeps([tmp_path]))
    assert as_svg(parallel_figure(report))
