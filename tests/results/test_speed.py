"""The page shows the rows that the benchmarks write."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.__main__ import MEASURES, chosen, parser, shown_command
from benchmarks.loading import Setting, measure_loading
from benchmarks.machine import code, machine
from benchmarks.models import measure_models
from benchmarks.processes import measure_processes, process_settings
from benchmarks.reading import measure_readings
from benchmarks.scaling import measure_scaling
from benchmarks.search import measure_search, mixture
from benchmarks.sections import SECTIONS
from benchmarks.start_up import measure_start_up
from benchmarks.training_peers import measure_training_peers
from benchmarks.training_step import Sizes
from benchmarks.vocabulary import measure
from results.speed import speed_section
from seqvise.errors import UserError
from tests import forked
from tests.images.draw import TINY


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts the measured processes as forks of one that has imported torch: their times are not compared here."""
    monkeypatch.setattr("benchmarks.alone.multiprocessing", SimpleNamespace(get_context=lambda _: forked.server()))


def test_machine_and_code_have_the_fields_of_the_page() -> None:
    facts = machine()
    assert facts["processor"]
    assert facts["cores"] >= 1
    assert set(facts) >= {"processor", "cores", "threads", "torch", "python", "load"}
    assert set(code()) == {"commit", "dirty", "date"}


def test_commands_are_timed() -> None:
    help_row, refused_row = measure_start_up(1)
    assert (help_row["command"], help_row["exit_code"], refused_row["exit_code"]) == ("seqvise --help", 0, 2)
    assert 0 < help_row["seconds"] < 60


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["--json", "results/benchmarks/a.json"], "python -m benchmarks --json results/benchmarks/a.json"),
        (["--only", "search", "reading"], "python -m benchmarks --only search reading"),
        (["--quick", "--json", "/some/where/a.json"], "python -m benchmarks --json a.json --quick"),
    ],
)
def test_the_command_contains_no_folder_of_the_machine(argv: list[str], shown: str) -> None:
    assert shown_command(parser().parse_args(argv)) == shown


def test_the_requested_benchmarks_are_chosen() -> None:
    defaults = parser().parse_args([])
    assert chosen(defaults) == ["start_up", "training_step", "reading", "features", "search", "language_model"]
    assert chosen(parser().parse_args(["--only", "search", "reading"])) == ["reading", "search"]
    assert set(MEASURES) == set(SECTIONS)


@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize(
    ("model", "variants"),
    [("translation", ["all", "sampled"]), ("language model", ["all", "sampled", "adaptive"])],
)
def test_each_softmax_is_measured_and_shown(model: str, variants: list[str]) -> None:
    rows = measure(model, 3000, 1)
    assert [row["softmax"] for row in rows] == variants
    assert rows[0]["ratio"] == 1
    assert all(float(row["seconds"]) > 0 for row in rows)
    assert len(SECTIONS["vocabulary"].cells(rows)) == len(rows)


@pytest.mark.usefixtures("forks")
def test_growing_batches_are_measured_and_shown() -> None:
    small, large = measure_scaling([[Sizes(90, 2), Sizes(90, 3)]], 1)
    assert (small["rows"], large["rows"]) == (2, 3)
    assert all(
        row[name] > 0 for row in (small, large) for name in ("seconds", "tokens_per_second", "share_of_products")
    )
    assert len(SECTIONS["scaling"].cells([small, large])) == 2


TOOLKIT = """
import json, sys, time
import torch

content = torch.load(sys.argv[1], weights_only=True)
assert content["sizes"]["target_words"] == 90
for line in sys.stdin:
    source, lengths, target = content["batches"][int(line)]
    if len(target) > 2:
        sys.exit("too much for it")
    time.sleep(0.2)
    print(json.dumps({"seconds": 1000.0, "loss": 1.0}), flush=True)
"""


@pytest.fixture
def toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A toolkit that reports a thousand seconds per step."""
    script = tmp_path / "toolkit.py"
    script.write_text(TOOLKIT)
    monkeypatch.setattr("benchmarks.training_peers.SCRIPTS", {"toolkit": script})
    return {"toolkit": Path(sys.executable)}


@pytest.mark.usefixtures("forks")
def test_other_toolkits_are_measured_with_both_of_our_models(toolkit: dict[str, Path]) -> None:
    attention, feeding, other = rows = measure_training_peers(toolkit, 2, Sizes(90, 2))
    assert (attention["ratio_0"], feeding["ratio_1"]) == (1, 1)
    assert (other["toolkit"], other["seconds"]) == ("toolkit", 1000)
    assert other["ratio_0"] == pytest.approx(1000 / attention["seconds"], rel=1)
    assert other["ratio_0"] > 100
    assert len(SECTIONS["training_peers"].cells(rows)) == 3


@pytest.mark.usefixtures("forks")
def test_a_toolkit_that_ends_is_reported(toolkit: dict[str, Path]) -> None:
    with pytest.raises(RuntimeError, match=r"^toolkit's process has ended\.$"):
        measure_training_peers(toolkit, 1, Sizes(90, 3))


@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize("model", ["rnn", "transformer"])
def test_each_model_is_measured_and_shown(model: str) -> None:
    rows = measure_models([model], 1, Sizes(90, 2))
    assert {(row["model"], row["forcing"]) for row in rows} == {(model, 1.0), (model, 0.5), (model, 0.0)}
    assert {row["precision"] for row in rows} in ({"fp32"}, {"fp32", "bf16", "bf16-mixed"})
    assert all(row["tokens_per_second"] > 0 for row in rows)
    assert len(SECTIONS["models"].cells(rows)) == len(rows)


@pytest.mark.usefixtures("forks")
def test_loading_is_measured_and_shown() -> None:
    rows = measure_loading(400, [Setting("words"), Setting("spaces", workers=1)])
    assert [(row["tokenizer"], row["workers"]) for row in rows] == [("words", 0), ("spaces", 1)]
    assert all(row[name] > 0 for row in rows for name in ("pairs_per_second", "batches_per_second"))
    assert len(SECTIONS["loading"].cells(rows)) == 2


def test_processes_are_added_up_to_the_cores() -> None:
    assert process_settings(1) == [(1, 1)]
    assert process_settings(2) == [(1, 1), (1, 2), (2, 1)]
    assert process_settings(6) == [(1, 1), (1, 6), (2, 1), (4, 1)]


def test_training_is_measured_in_its_second_epoch() -> None:
    (row,) = measure_processes(300, 1, 1, "model.encoder_hidden=8", "vectors.dim=8", "tokenizer.max_words=50")
    assert (row["processes"], row["threads"], row["ratio"]) == (1, 1, 1)
    assert row["tokens_per_second"] > 100
    assert len(SECTIONS["processes"].cells([row])) == 1


def test_reading_is_measured_and_shown(tmp_path: Path) -> None:
    other_memory = np.ones(1 << 25)  # memory of this process, which must not count in the measured one
    rows = measure_readings([3000])
    assert other_memory.sum() == 1 << 25
    assert 0 < rows[0]["peak_mib"] < 100
    assert (rows[0]["pairs"], rows[0]["kept"]) == (3000, 2700)
    content = {"machine": machine(), **code(), "command": "x", "reading": rows}
    (tmp_path / "x.json").write_text(json.dumps(content))
    last = speed_section(tmp_path / "x.json").splitlines()[-1]
    assert [cell.strip() for cell in last.strip("|").split("|")][:2] == ["3,000", "2,700"]


def test_an_invalid_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"machine": {}}')
    with pytest.raises(UserError, match="not a file of `python -m benchmarks --json`"):
        speed_section(tmp_path / "x.json")


def test_a_small_search_is_measured_and_shown(tmp_path: Path) -> None:
    rows = measure_search(400)
    assert rows[0]["kind"] == "exact"
    assert (rows[0]["recall"], rows[0]["batch_ratio"], rows[0]["single_ratio"]) == (1.0, 1.0, 1.0)
    assert all(row["recall"] > 0.9 and row["batch_rate"] > 0 and row["build_seconds"] > 0 for row in rows)
    content = {"machine": machine(), **code(), "command": "x", "training_step": [], "start_up": [], "search": rows}
    (tmp_path / "x.json").write_text(json.dumps(content))
    shown = speed_section(tmp_path / "x.json")
    assert "400 clustered vectors of 300 dimensions" in shown
    assert [line.split(" | ")[0] for line in shown.splitlines()[-len(rows) :]] == [f"| {row['kind']}" for row in rows]


def test_extraction_is_timed_against_the_forward_pass(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    from benchmarks.features import measure_features

    row = measure_features(6, 1, TINY)
    assert row["forward_ratio"] == pytest.approx(row["extraction_rate"] / row["forward_rate"])
    assert row["fused_ratio"] == pytest.approx(row["extraction_rate"] / row["fused_rate"])
    content = {"machine": machine(), **code(), "command": "x", "training_step": [], "start_up": [], "features": [row]}
    (tmp_path / "x.json").write_text(json.dumps(content))
    assert "Feature extraction of 6 JPEG files" in speed_section(tmp_path / "x.json")


def test_vectors_of_one_cluster_are_neighbours() -> None:
    vectors = mixture(3000, 1)
    nearest = np.sort(vectors[:200] @ vectors.T, axis=1)[:, -2]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert 0.65 < float(np.median(nearest)) < 0.85
