"""The plotted points are those of the report."""

import numpy as np
import pytest

from seqvise.evaluation.figure import groups_figure
from seqvise.evaluation.report import Sampling, build_report
from tests.evaluation.systems import BAD, GOOD, corpus, system


@pytest.mark.parametrize("count", [1, 2])
def test_points_intervals_and_bars(count: int) -> None:
    systems = [system("g$ood$", GOOD), system("bad", BAD)][:count]
    report = build_report(corpus(), systems, True, 1, Sampling(50, 1), 5)
    figure = groups_figure(report)
    panels = np.array(figure.axes).reshape(3, 2)
    for column, groups in enumerate((report.by_length, report.by_unknown)):
        for row, name in enumerate(("bleu", "chrf")):
            plotted = [container[0].get_ydata().tolist() for container in panels[row, column].containers]
            expected = [
                [group.run[name].value for group in groups],
                [group.against[name].value for group in groups if group.against],
            ]
            assert plotted == expected[:count]
        bars = panels[2, column].containers[0]
        assert [bar.get_height() for bar in bars] == [group.sentences for group in groups]
        assert [label.get_text() for label in panels[2, column].get_xticklabels()] == [group.label for group in groups]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [r"run: g\$ood\$", "against: bad"][:count]
    figure.canvas.draw()
