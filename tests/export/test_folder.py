"""Exported models translate as the run does, for sizes other than those of the export."""

from __future__ import annotations

import json
import os
import re
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
from seqvise.export.folder import CHECKED_SIZES, export_run
from seqvise.export.formats import FORMATS, Format
from seqvise.export.layers import exportable
from seqvise.export.options import PACKAGES
from seqvise.export.parts import ExportPart, make_parts
from seqvise.export.translate import ExportedModel
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
    """Uses the exported folder as another program does, without the model classes of seqvise."""

    def __init__(self, folder: Path) -> None:
        self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        load = {"onnx": self._onnx, "torch": self._torch, "torchscript": self._torchscript}[self.manifest["format"]]
        self.encoder, self.step = (load(folder, self.manifest[part]) for part in ("encoder", "step"))
        self.specials = self.manifest["specials"]

    @staticmethod
    def _onnx(folder: Path, part: dict[str, Any]) -> Program:
        session = pytest.importorskip("onnxruntime").InferenceSession(str(folder / part["file"]))
        assert [item.name for item in session.get_outputs()] == names(part["outputs"])
        shapes = {item.name: item.shape for item in (*session.get_inputs(), *session.get_outputs())}
        assert shapes == {item["name"]: item["shape"] for item in part["inputs"] + part["outputs"]}
        input_names = names(part["inputs"])

        def run(inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            outputs = session.run(None, {name: inputs[name] for name in input_names})
            return dict(zip(names(part["outputs"]), outputs, strict=True))

        return run

    @staticmethod
    def _torch(folder: Path, part: dict[str, Any]) -> Program:
        module = torch.export.load(folder / part["file"]).module()

        def run(inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            outputs = module(**{name: torch.from_numpy(inputs[name]) for name in names(part["inputs"])})
            return {name: value.numpy() for name, value in zip(names(part["outputs"]), outputs, strict=True)}

        return run

    @staticmethod
    def _torchscript(folder: Path, part: dict[str, Any]) -> Program:
        """A file of an earlier version of seqvise; torch loads TorchScript as long as it has torch.jit."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit.load.* is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", ".*torch.jit.load.* is deprecated", DeprecationWarning)
            module = torch.jit.load(str(folder / part["file"]))

        def run(inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            outputs = module(*(torch.from_numpy(inputs[name]) for name in names(part["inputs"])))
            return {name: value.numpy() for name, value in zip(names(part["outputs"]), outputs, strict=True)}

        return run

    def translate(self, sources: list[NDArray[np.int32]]) -> list[list[int]]:
        """Greedy decoding of a batch, following the steps of README.txt."""
        bos, pad, eos = (self.specials[name] for name in ("<bos>", "<pad>", "<eos>"))
        ids = np.full((len(sources), max(map(len, sources))), pad, np.int64)
        for row, source in enumerate(sources):
            ids[row, : len(source)] = source
        lengths = np.array([len(source) for source in sources])
        tensors = self.encoder({"ids": ids, "lengths": lengths})
        tokens, generated = np.full(len(sources), bos), []
        for _ in range(int(lengths.max() * 3 // 2 + 10)):
            outputs = self.step({"tokens": tokens, **tensors})
            outputs["logits"][:, [bos, pad]] = -np.inf
            tokens = outputs["logits"].argmax(1)
            generated.append(tokens)
            tensors |= {
                name.removeprefix("next_"): value for name, value in outputs.items() if name.startswith("next_")
            }
        limits = lengths * 3 // 2 + 10
        return [until(row, eos, int(limit)) for row, limit in zip(np.stack(generated, 1).tolist(), limits, strict=True)]


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


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
    expected = [translation.text for translation in load_translator(run).translate(TEXTS)]
    assert len(set(expected)) > len(TEXTS) // 2
    together = exported.translate(source.encode(TEXTS))
    alone = [exported.translate(source.encode([text]))[0] for text in TEXTS]
    assert [target.decode(ids) for ids in together] == expected
    assert [target.decode(ids) for ids in alone] == expected
    program = ExportedModel(tmp_path / "made")
    assert [program.translate(text) for text in TEXTS] == expected
    if (form, kind) == ("onnx", "attention"):
        assert without_seqvise(tmp_path / "made", [*TEXTS, ""], "torch") == [*expected, ""]


def without_seqvise(folder: Path, texts: list[str], *missing: str) -> list[str]:
    """The output of the folder's program in a process that cannot import seqvise and other packages."""
    code = f"""
import runpy, sys
for name in {("seqvise", "pytorch_lightning", "hydra", "omegaconf", *missing)}:
    sys.modules[name] = None
runpy.run_path({str(folder / "translate.py")!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        input="".join(f"{text}\n" for text in texts),
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=folder.parent,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_missing_package_is_named(packages: Path) -> None:
    code = f"import runpy, sys; sys.modules['torch'] = None; runpy.run_path({str(packages / 'made' / 'translate.py')!r}"
    command = [sys.executable, "-I", "-c", f"{code}, run_name='__main__')"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "translate.py: this folder needs torch: pip install torch\n"


def test_the_readme_and_the_manifest_describe_tokenisation(packages: Path) -> None:
    readme = (packages / "made" / "README.txt").read_text(encoding="utf-8")
    shown = re.findall('"(qu\'est.*?)" is\n +((?:`[^ ]+` ?)+)', readme)
    assert len(shown) == 1
    manifest = json.loads((packages / "made" / "manifest.json").read_text(encoding="utf-8"))
    matches = re.findall(f"({manifest['tokenizer']['pattern']})( ?)", shown[0][0])
    assert [word for word, _ in matches] == re.findall("`(.*?)`", shown[0][1])


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
    assert without_seqvise(packages / "made", TEXTS) == [translation.text for translation in expected]


def test_a_package_needs_torch_alone(packages: Path) -> None:
    """It runs from another folder in a process that cannot import seqvise."""
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
    tensors = exported.encoder({"ids": np.array([[4, 5, 2], [6, 2, 1]]), "lengths": np.array([3, 2])})
    rows = np.array([0, 0, 0, 1, 1, 1])
    beam = {name: value[rows] if name.startswith("state") else value for name, value in tensors.items()}
    tokens = np.array([4, 5, 6, 4, 5, 6])
    wide = exported.step({"tokens": tokens, **beam})
    separate = exported.step({"tokens": tokens, **{name: value[rows] for name, value in tensors.items()}})
    assert wide["attention"].shape == (6, 3)
    assert wide["attention"][3:, 2].tolist() == [0.0] * 3
    for name in wide:
        np.testing.assert_allclose(wide[name], separate[name], rtol=1e-4, atol=1e-5)


def test_the_manifest_describes_the_files(packages: Path) -> None:
    assert sorted(path.name for path in (packages / "made").iterdir()) == [
        "README.txt",
        "encoder.pt2",
        "manifest.json",
        "source.codec.json",
        "source.vocabulary.tsv",
        "step.pt2",
        "target.codec.json",
        "target.vocabulary.tsv",
        "translate.py",
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
def test_a_file_has_only_the_weights_of_its_part(tmp_path: Path, form: str) -> None:
    if form == "onnx":
        skip_without_onnx()
    run = Run.open(make_run(tmp_path / "run", "model=rnn", target=tuple(f"w{n}" for n in range(3000))))
    export_run(run, tmp_path / "made", form)
    target_embedding, suffix = 4 * 3004 * 8, FORMATS[form].suffix
    assert (tmp_path / "made" / f"encoder{suffix}").stat().st_size < 2 * target_embedding
    assert target_embedding < (tmp_path / "made" / f"step{suffix}").stat().st_size < 2.5 * target_embedding


class Baked(Recurrent):
    """Divides by a Python number, which an export fixes as a constant."""

    def encode(self, src: Any) -> Any:
        memory = super().encode(src)
        return replace(memory, start=tuple(part / int(src.lengths.max()) for part in memory.start))


class Fixed(Recurrent):
    """Uses the sentence length as a Python number, which an export fixes."""

    def encode(self, src: Any) -> Any:
        memory = super().encode(src)
        assert memory.keys is not None
        return replace(memory, keys=memory.keys.view(-1, int(src.ids.shape[1]), 8))


@pytest.mark.parametrize(("form", "kind"), [("torch", Baked), ("onnx", Fixed)])
def test_python_numbers_from_tensors_are_refused(
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


def test_a_file_with_other_values_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.open(small_run(tmp_path / "run", "plain"))

    def write(part: ExportPart, _shapes: object, path: Path) -> None:
        path.write_text(part.name)

    def load(path: Path) -> Callable[[dict[str, torch.Tensor]], tuple[torch.Tensor, ...]]:
        parts = make_parts(exportable(load_seq2seq(run)), len(run.source.vocabulary), CHECKED_SIZES[0])
        part = next(part for part in parts if part.name == path.stem)
        return lambda _: tuple(value + 1 for value in part.run().values())

    monkeypatch.setitem(FORMATS, "torch", Format(".pt2", write, load))
    with pytest.raises(UserError, match="The exported encoder differs from the model in memory_start_0, "):
        export_run(run, tmp_path / "made", "torch")


def replace_model(path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Recurrent]) -> Run:
    """A run whose model has another class."""
    run = Run.open(make_run(path / "run", "model=attention"))
    options = run.config.model
    assert isinstance(options, RecurrentOptions)
    model = kind(options, len(run.source.vocabulary), len(run.target.vocabulary)).eval()
    monkeypatch.setattr(exporting, "load_seq2seq", lambda _: model)
    return run


class Counting(Recurrent):
    """Has a number in its state."""

    def init(self, memory: Any) -> Any:
        return (super().init(memory), 0)

    def reorder(self, state: Any, rows: torch.Tensor) -> Any:
        return (super().reorder(state[0], rows), state[1])

    def step(self, tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        stepped = super().step(tokens, state[0], memory)
        return stepped._replace(state=(stepped.state, state[1] + 1))  # type: ignore[arg-type]


def test_a_state_with_other_objects_than_tensors_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace_model(tmp_path, monkeypatch, Counting)
    with pytest.raises(UserError, match="state_1 is a int, but state and memory must consist of tensors"):
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
