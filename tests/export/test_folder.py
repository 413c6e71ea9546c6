"""Exported models translate as the run does, for other sizes than they were traced with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.errors import UserError
from seqvise.export import folder as exporting
from seqvise.export.folder import TRIED, export_run
from seqvise.export.formats import FORMATS, Format
from seqvise.export.layers import exportable
from seqvise.export.options import PACKAGES
from seqvise.export.parts import ExportPart, make_parts
from seqvise.inference.translator import load_seq2seq, load_translator
from seqvise.models.interface import SourceBatch
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.runs.load import Run
from tests.earlier import copy_of
from tests.runs.made import make_run

TEXTS = ["Qui est là ?", "où es-tu ?", "que", "Que fait-il ? qui est là ? où es-tu ?", "qui qui qui zoé", "est -il là"]
MODELS = {
    "attention": ["model=attention"],
    "lstm": [
        *("model=full", "model.cell=lstm", "model.decoder_layers=1", "model.encoder_layers=2"),
        *("model.bidirectional=first", "model.readout=true", "model.residual=true"),
    ],
    "plain": ["model=rnn", "model.start=concat_pool", "model.input_feeding=true"],
    "luong": ["model=luong", "model.attention=general", "model.input_feeding=true", "model.layer_norm=true"],
    "sinusoidal": ["model=transformer", "model.encoder_layers=1", "model.decoder_layers=1"],
    "rotary": ["model=transformer", "model.positions=rotary", "model.norm=rms"],
}
SMALL = ["model.embedding=8", "model.heads=2", "model.feed_forward=12", "model.encoder_layers=2"]
pytestmark = pytest.mark.skipif(torch.__version__ < "2.9", reason="torch's exporters are too old")
Program = Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]]


def skip_without_onnx() -> None:
    for package in PACKAGES["onnx"]:
        pytest.importorskip(package)


def small_run(path: Path, kind: str) -> Path:
    overrides = MODELS[kind]
    return make_run(path, *overrides, sizes=SMALL) if "model=transformer" in overrides else make_run(path, *overrides)


class Exported:
    """What another program does: it knows the folder and nothing of seqvise's models."""

    def __init__(self, folder: Path) -> None:
        self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        load = {"onnx": self._onnx, "torch": self._torch, "torchscript": self._torchscript}[self.manifest["format"]]
        self.encoder, self.step = (load(folder, self.manifest[part]) for part in ("encoder", "step"))
        self.specials = self.manifest["specials"]

    @staticmethod
    def _onnx(folder: Path, part: dict[str, Any]) -> Program:
        session = pytest.importorskip("onnxruntime").InferenceSession(str(folder / part["file"]))
        assert [item.name for item in session.get_outputs()] == names(part["outputs"])
        shown = {item.name: item.shape for item in (*session.get_inputs(), *session.get_outputs())}
        assert shown == {item["name"]: item["shape"] for item in part["inputs"] + part["outputs"]}
        wanted = names(part["inputs"])

        def run(given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            found = session.run(None, {name: given[name] for name in wanted})
            return dict(zip(names(part["outputs"]), found, strict=True))

        return run

    @staticmethod
    def _torch(folder: Path, part: dict[str, Any]) -> Program:
        module = torch.export.load(folder / part["file"]).module()

        def run(given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            found = module(**{name: torch.from_numpy(given[name]) for name in names(part["inputs"])})
            return {name: value.numpy() for name, value in zip(names(part["outputs"]), found, strict=True)}

        return run

    @staticmethod
    def _torchscript(folder: Path, part: dict[str, Any]) -> Program:
        """A file of an earlier seqvise; torch reads TorchScript as long as it has torch.jit."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit.load.* is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", ".*torch.jit.load.* is deprecated", DeprecationWarning)
            module = torch.jit.load(str(folder / part["file"]))

        def run(given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            outputs = module(*(torch.from_numpy(given[name]) for name in names(part["inputs"])))
            return {name: value.numpy() for name, value in zip(names(part["outputs"]), outputs, strict=True)}

        return run

    def translate(self, sources: list[NDArray[np.int32]]) -> list[list[int]]:
        """Greedy decoding of a batch, by the steps of README.txt."""
        bos, pad, eos = (self.specials[name] for name in ("<bos>", "<pad>", "<eos>"))
        ids = np.full((len(sources), max(map(len, sources))), pad, np.int64)
        for row, source in enumerate(sources):
            ids[row, : len(source)] = source
        lengths = np.array([len(source) for source in sources])
        kept = self.encoder({"ids": ids, "lengths": lengths})
        tokens, said = np.full(len(sources), bos), []
        for _ in range(int(lengths.max() * 3 // 2 + 10)):
            found = self.step({"tokens": tokens, **kept})
            found["logits"][:, [bos, pad]] = -np.inf
            tokens = found["logits"].argmax(1)
            said.append(tokens)
            kept |= {name.removeprefix("next_"): value for name, value in found.items() if name.startswith("next_")}
        limits = lengths * 3 // 2 + 10
        return [until(row, eos, int(limit)) for row, limit in zip(np.stack(said, 1).tolist(), limits, strict=True)]


def names(told: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in told]


def until(tokens: list[int], eos: int, limit: int) -> list[int]:
    tokens = tokens[:limit]
    return tokens[: tokens.index(eos) + 1] if eos in tokens else tokens


# Each kind of layer in both formats; an export takes seconds.
EXPORTS = [
    ("torch", "lstm"),
    ("torch", "rotary"),
    *(("onnx", kind) for kind in ("attention", "lstm", "plain", "luong", "sinusoidal", "rotary")),
]


@pytest.mark.parametrize(("form", "kind"), EXPORTS)
def test_the_files_translate_as_the_run_does(tmp_path: Path, kind: str, form: str) -> None:
    if form == "onnx":
        skip_without_onnx()
    run = small_run(tmp_path / "run", kind)
    export_run(Run.open(run), tmp_path / "made", form)
    exported, source = Exported(tmp_path / "made"), TextCodec.load(tmp_path / "made", "source")
    target = TextCodec.load(tmp_path / "made", "target")
    wanted = [one.text for one in load_translator(run).translate(TEXTS)]
    assert len(set(wanted)) > len(TEXTS) // 2
    together = exported.translate(source.encode(TEXTS))
    alone = [exported.translate(source.encode([text]))[0] for text in TEXTS]
    assert [target.decode(ids) for ids in together] == wanted
    assert [target.decode(ids) for ids in alone] == wanted


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The attention model as packages of torch.export."""
    path = tmp_path_factory.mktemp("packages")
    export_run(Run.open(small_run(path / "run", "attention")), path / "made", "torch")
    return path


def test_a_package_translates_as_the_run_does(packages: Path) -> None:
    source, target = (TextCodec.load(packages / "made", side) for side in ("source", "target"))
    translated = Exported(packages / "made").translate(source.encode(TEXTS))
    expected = load_translator(packages / "run").translate(TEXTS)
    assert [target.decode(ids) for ids in translated] == [translation.text for translation in expected]


def test_a_package_needs_torch_alone(packages: Path) -> None:
    """It runs in a process that cannot import seqvise, from another folder."""
    code = f"""
import sys
sys.modules["seqvise"] = None
import torch
encoder = torch.export.load({str(packages / "made" / "encoder.pt2")!r}).module()
memory = encoder(ids=torch.tensor([[4, 5, 2]]), lengths=torch.tensor([3]))
print(memory[0].tolist())
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=packages, env=environment
    )
    assert done.returncode == 0, done.stderr
    model = load_seq2seq(Run.open(packages / "run"))
    assert isinstance(model, Recurrent)
    memory = model.encode(SourceBatch(torch.tensor([[4, 5, 2]]), torch.tensor([3])))
    torch.testing.assert_close(torch.tensor(json.loads(done.stdout)), memory.start[0])


def test_hypotheses_share_their_sentence(packages: Path) -> None:
    exported = Exported(packages / "made")
    kept = exported.encoder({"ids": np.array([[4, 5, 2], [6, 2, 1]]), "lengths": np.array([3, 2])})
    rows = np.array([0, 0, 0, 1, 1, 1])
    beam = {name: value[rows] if name.startswith("state") else value for name, value in kept.items()}
    tokens = np.array([4, 5, 6, 4, 5, 6])
    wide = exported.step({"tokens": tokens, **beam})
    each = exported.step({"tokens": tokens, **{name: value[rows] for name, value in kept.items()}})
    assert wide["attention"].shape == (6, 3)
    assert wide["attention"][3:, 2].tolist() == [0.0] * 3
    for name in wide:
        np.testing.assert_allclose(wide[name], each[name], rtol=1e-4, atol=1e-5)


def test_the_manifest_tells_all_there_is(packages: Path) -> None:
    assert sorted(path.name for path in (packages / "made").iterdir()) == [
        "README.txt",
        "encoder.pt2",
        "manifest.json",
        "source.codec.json",
        "source.vocabulary.tsv",
        "step.pt2",
        "target.codec.json",
        "target.vocabulary.tsv",
    ]
    manifest = json.loads((packages / "made" / "manifest.json").read_text())
    assert manifest["specials"] == {"<bos>": 0, "<pad>": 1, "<eos>": 2, "<unk>": 3}
    assert manifest["target"] == {"language": "en", "words": 15, "backwards": False}
    assert manifest["encoder"]["inputs"] == [
        {"name": "ids", "type": "int64", "shape": ["batch", "source"]},
        {"name": "lengths", "type": "int64", "shape": ["batch"]},
    ]
    step = {item["name"]: item["shape"] for item in manifest["step"]["inputs"]}
    assert step["tokens"] == ["rows"]
    assert step["state_layers_1_0"] == ["rows", 8]
    assert step["memory_keys"] == ["batch", "source", 8]
    assert {item["name"]: item["shape"] for item in manifest["step"]["outputs"]} == {
        "logits": ["rows", 15],
        "attention": ["rows", "source"],
        "next_state_layers_0_0": ["rows", 8],
        "next_state_layers_1_0": ["rows", 8],
    }


@pytest.mark.parametrize("form", ["torch", "onnx"])
def test_a_file_holds_the_weights_of_its_side_alone(tmp_path: Path, form: str) -> None:
    if form == "onnx":
        skip_without_onnx()
    run = Run.open(make_run(tmp_path / "run", "model=rnn", target=tuple(f"w{n}" for n in range(3000))))
    export_run(run, tmp_path / "made", form)
    target_embedding, ending = 4 * 3004 * 8, FORMATS[form].ending
    assert (tmp_path / "made" / f"encoder{ending}").stat().st_size < 2 * target_embedding
    assert target_embedding < (tmp_path / "made" / f"step{ending}").stat().st_size < 2.5 * target_embedding


class Baked(Recurrent):
    """Divides by a number that an export cannot follow."""

    def encode(self, src: Any) -> Any:
        memory = super().encode(src)
        return replace(memory, start=tuple(part / int(src.lengths.max()) for part in memory.start))


class Fixed(Recurrent):
    """Knows how long sentences are when it is exported."""

    def encode(self, src: Any) -> Any:
        memory = super().encode(src)
        assert memory.keys is not None
        return replace(memory, keys=memory.keys.view(-1, int(src.ids.shape[1]), 8))


@pytest.mark.parametrize(("form", "kind"), [("torch", Baked), ("onnx", Fixed)])
def test_numbers_that_an_export_cannot_follow_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Recurrent], form: str
) -> None:
    if form == "onnx":
        skip_without_onnx()
    run = replace_model(tmp_path, monkeypatch, kind)
    with pytest.raises(UserError, match=f"format={form} cannot write the encoder of this model .*sizes from tensor"):
        export_run(run, tmp_path / "made", form)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_an_old_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.open(make_run(tmp_path / "run", "model=rnn"))
    monkeypatch.delattr(torch.onnx, "ops")
    with pytest.raises(UserError, match=r"torch is .*, whose exporters are too old: install torch 2.9 or later"):
        export_run(run, tmp_path / "made", "torch")
    assert not (tmp_path / "made").exists()


def test_a_file_that_computes_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.open(small_run(tmp_path / "run", "plain"))

    def write(part: ExportPart, _shapes: object, path: Path) -> None:
        path.write_text(part.name)

    def load(path: Path) -> Callable[[dict[str, torch.Tensor]], tuple[torch.Tensor, ...]]:
        parts = make_parts(exportable(load_seq2seq(run)), len(run.source.vocabulary), TRIED[0])
        part = next(part for part in parts if part.name == path.stem)
        return lambda _: tuple(value + 1 for value in part.run().values())

    monkeypatch.setitem(FORMATS, "torch", Format(".pt2", write, load))
    with pytest.raises(UserError, match="The exported encoder does not give the model's memory_start_0, "):
        export_run(run, tmp_path / "made", "torch")


def replace_model(path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Recurrent]) -> Run:
    """A run whose model is of another class."""
    run = Run.open(make_run(path / "run", "model=attention"))
    options = run.config.model
    assert isinstance(options, RecurrentOptions)
    made = kind(options, len(run.source.vocabulary), len(run.target.vocabulary)).eval()
    monkeypatch.setattr(exporting, "load_seq2seq", lambda _: made)
    return run


class Counting(Recurrent):
    """Its state holds a number."""

    def init(self, memory: Any) -> Any:
        return (super().init(memory), 0)

    def reorder(self, state: Any, rows: torch.Tensor) -> Any:
        return (super().reorder(state[0], rows), state[1])

    def step(self, tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        stepped = super().step(tokens, state[0], memory)
        return stepped._replace(state=(stepped.state, state[1] + 1))  # type: ignore[arg-type]


def test_a_state_of_other_than_tensors_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace_model(tmp_path, monkeypatch, Counting)
    with pytest.raises(UserError, match="state_1 is a int, but what passes from step to step must be tensors"):
        export_run(run, tmp_path / "made", "torch")


@pytest.mark.parametrize(
    ("folder", "run"), [("onnx", "translation"), ("torchscript", "translation"), ("transformer_onnx", "transformer")]
)
def test_folders_of_an_earlier_revision_still_translate(folder: str, run: str, tmp_path: Path) -> None:
    if "onnx" in folder:
        pytest.importorskip("onnxruntime")
    copy_of(tmp_path, f"exported/{folder}", f"expected/{run}.beam1.jsonl", "expected/source.fr")
    lines = (tmp_path / "expected" / f"{run}.beam1.jsonl").read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if record["source"].strip()]
    made = tmp_path / "exported" / folder
    source, target = (TextCodec.load(made, side) for side in ("source", "target"))
    translated = Exported(made).translate(source.encode([record["source"] for record in records]))
    assert [target.decode(ids) for ids in translated] == [record["translations"][0]["text"] for record in records]
