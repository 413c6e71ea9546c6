"""Results of images: mean and spread over draws, chance once, and how to have them again."""

from __future__ import annotations

from pathlib import Path

from results.images import image_section, is_of_images
from results.intake import file_of, read_run
from results.page import page_text
from results.record import Record

from .runs import Run, record


def trained(seed: int, hit: float, **changes: object) -> Record:
    metrics = {"val/hit@1": 0.5, "test/seen/hit@1": hit, "test/chance/seen/hit@1": 0.1, "held_out": "ant*, cup"}
    return record("devise/caltech101", 0, 0, dataset="caltech101", seed=seed, metrics=metrics, **changes)


def baseline(seed: int, hit: float) -> Record:
    metrics = {"ridge/seen/hit@1": hit, "ridge/held_out/hit@5": 0.4, "chance/seen/hit@1": 0.1}
    command = "seqvise baselines experiment=devise/caltech101"
    return record(
        "devise/caltech101", 0, 0, dataset="caltech101", seed=seed, metrics=metrics, curves={}, command=command
    )


def test_means_and_deviations_by_hand() -> None:
    lossy = trained(0, 0.2, overrides=["model.loss=l1"])
    text = image_section("caltech101", [trained(0, 0.8), trained(1, 0.9), lossy, baseline(0, 0.6), baseline(1, 0.7)])
    seen, held_out = text.split("### ")[1:3]
    assert "| chance |  | 0.100 ± 0.000 |" in seen
    assert "| devise/caltech101 | 2 | **0.850 ± 0.071** |" in seen
    assert "| devise/caltech101 model.loss=l1 | 1 | 0.200 |" in seen
    assert "| ridge (devise/caltech101) | 2 | 0.650 ± 0.071 |" in seen
    assert "| ridge (devise/caltech101) | 2 | **0.400 ± 0.000** |" in held_out
    assert "- seed 0 holds out ant*, cup." in text
    assert text.count("  seqvise baselines experiment=devise/caltech101\n") == 1


def test_images_have_a_part_of_the_page_to_themselves(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for number, item in enumerate([record("seed/rnn", 3.0, 4.0), trained(0, 0.8)]):
        item.save(results / item.experiment / f"{number}.json")
    text = page_text(results, tmp_path)
    assert text.index("## tatoeba") < text.index("# Images to words") < text.index("## caltech101")
    assert text.count("## caltech101") == 1


def test_a_folder_of_baselines_is_kept_under_what_made_it(tmp_path: Path) -> None:
    metrics = {"command": "seqvise baselines", "ridge/seen/hit@1": 0.5, "device": "cpu", "seed": 4}
    run = Run(overrides=["experiment=seed/rnn", "vectors.whiten=0"], metrics=metrics, scalars={})
    found = read_run(run.write(tmp_path / "run"))
    assert is_of_images(found)
    assert found.command == "seqvise baselines experiment=seed/rnn vectors.whiten=0"
    assert file_of(found, tmp_path).name == "tatoeba-baselines-vectors.whiten-0-seed4.json"
