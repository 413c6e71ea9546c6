"""The results of a validation in TensorBoard and in samples.txt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch import Tensor
from typing_extensions import override

from seqvise.callbacks.dashboard import Dashboard, HyperparameterRow, SampleFile, samples_markdown
from seqvise.figures import attention_figure, pixels
from seqvise.tasks.samples import Sample

from .tiny import TinyTask, loader, trainer_for

WEIGHTS = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
SAMPLES = [
    Sample("où es-tu ?", "where are you?", "where|<unk>?", ["où", "es-tu", "?"], ["where", "?"], WEIGHTS),
    Sample("qui ?", "who?", "who?", ["qui", "?"], ["who", "?"]),
]


class Translating(TinyTask):
    """Has samples and entropies after validation, and a metric that gets worse."""

    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters({"model": {"hidden": 7}})
        self.samples = SAMPLES
        self.attention_entropy = (0.4, 1.1)

    @override
    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val/bleu", 40.0 - 10 * self.current_epoch)


def fit(folder: Path, logger: Any) -> None:
    callbacks = (Dashboard(2, 1), HyperparameterRow("val/bleu", "max"), SampleFile(folder / "samples.txt", 2))
    trainer = trainer_for(folder, *callbacks, logger=logger, max_epochs=2, num_sanity_val_steps=1)
    trainer.fit(Translating(), loader(2), loader(1))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> EventAccumulator:
    folder = tmp_path_factory.mktemp("board")
    fit(folder, TensorBoardLogger(folder, name="", version="", default_hp_metric=False))
    return EventAccumulator(str(folder)).Reload()


def test_translations_are_shown_as_a_table(board: EventAccumulator) -> None:
    (first, second) = board.Tensors("val_texts/samples/text_summary")
    assert (first.step, second.step) == (2, 4)
    assert "où es-tu ?" in first.tensor_proto.string_val[0].decode()


def test_attention_maps_are_shown_as_pictures(board: EventAccumulator) -> None:
    assert board.Tags()["images"] == ["val_images/attention_0"]
    assert [image.step for image in board.Images("val_images/attention_0")] == [2, 4]


def test_entropy_is_logged_with_its_uniform_value(board: EventAccumulator) -> None:
    values = [board.Scalars(f"val/attention_{name}")[-1].value for name in ("entropy", "entropy_uniform")]
    assert values == pytest.approx([0.4, 1.1])


def test_hyperparameters_have_a_row_with_the_best_value(board: EventAccumulator) -> None:
    assert [scalar.value for scalar in board.Scalars("val/bleu_best")][1:] == [40.0, 40.0]
    content = board.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"model/hidden" in content


@pytest.mark.parametrize("kind", ["csv", "none"])
def test_other_loggers_are_skipped(tmp_path: Path, kind: str) -> None:
    fit(tmp_path, CSVLogger(tmp_path, name="", version="") if kind == "csv" else False)
    assert (tmp_path / "metrics.csv").exists() == (kind == "csv")


def test_sample_file_has_three_lines_per_sentence(tmp_path: Path) -> None:
    fit(tmp_path, False)
    first, second = (tmp_path / "samples.txt").read_text(encoding="utf-8").split("\n\n")
    assert first.splitlines() == ["source     où es-tu ?", "reference  where are you?", "output     where|<unk>?"]
    assert second.splitlines()[2] == "output     who?"
    assert [path.name for path in tmp_path.iterdir()] == ["samples.txt"]


def test_text_cannot_break_the_table() -> None:
    row = samples_markdown(SAMPLES).splitlines()[2]
    assert row == r"| où es-tu ? | where are you? | where\|&lt;unk>? |"


def test_long_texts_are_truncated_in_the_table() -> None:
    sample = Sample("a" * 200, "ab " * 100, "|" * 201, ["a"], ["b"])
    source, reference, output = samples_markdown([sample]).splitlines()[2].removeprefix("| ").split(" | ")
    assert source == "a" * 200
    assert reference == f"{'ab ' * 66}a…"
    assert output.removesuffix(" |") == r"\|" * 199 + "…"


def command_line(folder: Path, *overrides: str) -> None:
    """The files that Hydra writes into a run directory."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
    choices = {"hydra": {"runtime": {"choices": {"model": "rnn"}}}}
    (folder / ".hydra" / "hydra.yaml").write_text(json.dumps(choices))


def test_only_hyperparameters_of_the_command_line_have_columns(tmp_path: Path) -> None:
    command_line(tmp_path, "model.hidden=7", "trainer.devices=1")
    row = HyperparameterRow("val/bleu", "max", tmp_path)
    task, logger = Translating(), TensorBoardLogger(tmp_path, name="", version="", default_hp_metric=False)
    task.save_hyperparameters({"model.hidden": 7, "model.layers": 2})
    trainer_for(tmp_path, row, logger=logger, max_epochs=1).fit(task, loader(2), loader(1))
    metadata = EventAccumulator(str(tmp_path)).Reload().summary_metadata
    content = metadata["_hparams_/experiment"].plugin_data.content
    experiment = HParamsPluginData.FromString(content).experiment
    assert sorted(info.name for info in experiment.hparam_infos) == ["model", "model.hidden"]
    assert [info.name.tag for info in experiment.metric_infos] == ["val/bleu_best"]
    written = yaml.safe_load((tmp_path / "hparams.yaml").read_text())
    assert written == {"model": {"hidden": 7}, "model.hidden": 7, "model.layers": 2}, "the file has all of them"


def test_curves_come_before_images_and_texts(board: EventAccumulator) -> None:
    tags = board.Tags()
    curves = [tag.partition("/")[0] for tag in tags["scalars"]]
    others = [tag.partition("/")[0] for tag in (*tags["images"], *tags["tensors"])]
    assert set(curves) <= {"epoch", "val", "train", "speed"}
    assert max(curves) < min(others), "TensorBoard sorts the groups by name"


def test_attention_map_is_labelled_and_dark_at_large_weights() -> None:
    figure = attention_figure(WEIGHTS, ["où", "es-tu", "$?$"], ["where", "?"])
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["où", "es-tu", r"\$?\$"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["where", "?"]
    picture = pixels(figure)
    (left, top), (right, _) = (axes.transData.transform((column, 0)) for column in (0, 2))
    row = picture.shape[0] - round(top)
    assert int(picture[row, round(left)].sum()) + 200 < int(picture[row, round(right)].sum())
