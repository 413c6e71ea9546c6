"""Results of image-to-word models: mean and deviation over draws, chance, and commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.images import image_section, is_of_images
from results.intake import file_of, read_run
from results.overrides import of_data, of_run
from results.record import Record
from seqvise.errors import UserError

from .runs import Run, detail_text, record


def trained_record(seed: int, hit: float, **changes: object) -> Record:
    metrics = {"val/hit@1": 0.5, "test/seen/hit@1": hit, "test/chance/seen/hit@1": 0.1, "held_out": "ant*, cup"}
    return record("devise/caltech101", 0, 0, dataset="caltech101", seed=seed, metrics=metrics, **changes)


def baseline_record(seed: int, hit: float) -> Record:
    metrics = {"ridge/seen/hit@1": hit, "ridge/held_out/hit@5": 0.4, "chance/seen/hit@1": 0.1}
    command = "seqvise baselines experiment=devise/caltech101"
    return record(
        "devise/caltech101", 0, 0, dataset="caltech101", seed=seed, metrics=metrics, curves={}, command=command
    )


def test_means_and_deviations_by_hand() -> None:
    lossy = trained_record(0, 0.2, overrides=["model.loss=l1"])
    text = image_section(
        "caltech101",
        [trained_record(0, 0.8), trained_record(1, 0.9), lossy, baseline_record(0, 0.6), baseline_record(1, 0.7)],
    )
    seen, held_out = text.split("### ")[1:3]
    assert "| chance |  | 0.100 ± 0.000 |" in seen
    assert "| devise/caltech101 | 2 | **0.850 ± 0.071** |" in seen
    assert "| devise/caltech101 model.loss=l1 | 1 | 0.200 |" in seen
    assert "| ridge (devise/caltech101) | 2 | 0.650 ± 0.071 |" in seen
    assert "| ridge (devise/caltech101) | 2 | **0.400 ± 0.000** |" in held_out
    assert "- seed 0 holds out ant*, cup." in text
    assert text.count("  seqvise baselines experiment=devise/caltech101\n") == 1


def test_images_have_a_separate_part_of_the_page(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for number, item in enumerate([record("lesson11/rnn", 3.0, 4.0), trained_record(0, 0.8)]):
        item.save(results / item.experiment / f"{number}.json")
    text = detail_text(results, tmp_path)
    assert text.index("## tatoeba") < text.index("# Images to words") < text.index("## caltech101")
    assert text.count("## caltech101") == 1


def test_a_folder_of_baselines_is_stored_under_its_overrides(tmp_path: Path) -> None:
    metrics = {"command": "seqvise baselines", "ridge/seen/hit@1": 0.5, "device": "cpu", "seed": 4}
    run = Run(overrides=["experiment=lesson11/rnn", "vectors.whiten=0"], metrics=metrics, scalars={})
    loaded = read_run(run.write(tmp_path / "run"))
    assert is_of_images(loaded)
    assert loaded.command == "seqvise baselines experiment=lesson11/rnn vectors.whiten=0"
    assert file_of(loaded, tmp_path).name == "tatoeba-baselines-vectors.whiten-0-seed4.json"


FORMER = """[{"experiments": ["devise/caltech101"], "before": "2026-02-01",
"values": ["data.hypernyms=0", "model.calibration=0.3"], "remark": "Earlier runs had other defaults."}]"""


def test_former_defaults_are_shown_in_rows_and_commands_of_the_runs_that_used_them(tmp_path: Path) -> None:
    command = "python train.py experiment=devise/caltech101"
    results = tmp_path / "results"
    runs = [
        trained_record(0, 0.8, date="2026-01-31", command=command, overrides=[]),
        trained_record(
            1, 0.7, date="2026-01-31", command=f"{command} model.calibration=0", overrides=["model.calibration=0"]
        ),
        trained_record(2, 0.9, date="2026-02-01", command=command, overrides=[]),
    ]
    for number, item in enumerate(runs):
        item.save(results / item.experiment / f"{number}.json")
    (results / "former.json").write_text(FORMER)
    text = detail_text(results, tmp_path)
    assert "| devise/caltech101 | 1 | **0.900** |" in text
    assert "| devise/caltech101 data.hypernyms=0 model.calibration=0.3 | 1 | 0.800 |" in text
    assert "| devise/caltech101 model.calibration=0 data.hypernyms=0 | 1 | 0.700 |" in text
    assert f"  {command} data.hypernyms=0 model.calibration=0.3\n" in text
    assert f"  {command} model.calibration=0 data.hypernyms=0\n" in text
    assert f"  {command}\n" in text
    assert text.count("Earlier runs had other defaults.") == 1


def test_an_invalid_file_of_former_defaults_is_refused(tmp_path: Path) -> None:
    results = tmp_path / "results"
    trained_record(0, 0.8).save(results / "devise" / "0.json")
    (results / "former.json").write_text('[{"experiments": []}]')
    with pytest.raises(UserError, match=r"former\.json is not a list of former defaults"):
        detail_text(results, tmp_path)


def test_the_weight_of_hypernyms_belongs_to_the_run_and_not_to_the_data() -> None:
    overrides = ["experiment=devise/caltech101", "data.hypernyms=0", "data.limit=3"]
    assert (of_data(overrides), of_run(overrides, "devise/caltech101")) == (["data.limit=3"], ["data.hypernyms=0"])
