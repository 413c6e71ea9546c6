"""The table cell of an image metric."""

from __future__ import annotations

import pytest
from rich.console import Console

from seqvise.training.fit import STARRED, MetricCell, _with_legend, cell_of, rounds_table, show_rounds


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val/hit@1", MetricCell("seen", "val", "hit@1")),
        ("val/held_out/hp@2", MetricCell("held_out", "val", "hp@2")),
        (
            "test/chance/seen_among_all/text_to_image_map",
            MetricCell("seen_among_all", "test/chance", "text_to_image_map"),
        ),
        ("ridge/seen/hit@5", MetricCell("seen", "ridge", "hit@5")),
        ("val/loss", None),
        ("epoch", None),
        ("hit@1", None),
    ],
)
def test_a_name_tells_images_method_and_metric(name: str, expected: MetricCell | None) -> None:
    assert cell_of(name) == expected


def test_rows_go_from_seen_images_to_nouns() -> None:
    metrics: dict[str, object] = {"test/held_out/hit@5": 0.5, "b/seen/hit@1": 0.25, "a/seen/hit@1": 1.0, "epoch": 3}
    table = rounds_table(metrics)
    assert [list(column.cells)[:2] for column in list(table.columns)[:3]] == [
        ["seen", "seen"],
        ["a", "b"],
        ["1.000", "0.250"],
    ]
    assert table.row_count == 3
    console = Console(width=110)
    with console.capture() as capture:
        console.print(table)
    assert all(len(line) <= 110 for line in capture.get().splitlines())


def test_of_no_images_no_table_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_rounds({"val/bleu": 31.0, "seed": 1})
    assert capsys.readouterr().out == ""
    show_rounds({"val/hit@1": 0.5})
    assert "0.500" in capsys.readouterr().out


def test_the_star_of_held_out_labels_is_explained_in_their_row() -> None:
    assert _with_legend("held_out", "chair*, cup") == f"chair*, cup\n{STARRED}"
    assert _with_legend("held_out", "cup") == "cup"
    assert _with_legend("device", "a*") == "a*"
