"""From a table of documents to a run, and from runs to labels; invalid input ends with exit code 2."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqvise.cli.main import main

TEXTS = [
    (f"{mood} {thing} {n}", label)
    for n in range(6)
    for mood, label in (("good", "pos"), ("bad", "neg"))
    for thing in ("film", "story")
]
TINY = [
    "model.embedding=8",
    "model.hidden=8",
    "model.layers=1",
    "trainer=cpu",
    "callbacks.progress=false",
    "logger=none",
    "test=false",
]
LABELS = ["data=text_labels", "data.root=.", "data.train=train.tsv", "data.valid=train.tsv", "data.batch_size=8"]
CLASSIFIER = [*LABELS, "model=text_classifier", "monitor.metric=val/accuracy", *TINY]
STREAM = ["data=text_lines", "data.format=tabbed", *LABELS[1:], "model=awd_lstm", *TINY]
PERPLEXITY = ["monitor.metric=val/ppl", "monitor.mode=min", "data.valid_batch_size=2"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with documents and the runs of a language model, and of classifiers that read ahead and back."""
    folder, before, stood, words = tmp_path_factory.mktemp("classify"), dict(os.environ), Path.cwd(), sys.argv
    os.chdir(folder)
    (folder / "train.tsv").write_text("".join(f"{label}\t{text}\n" for text, label in TEXTS))
    assert seqvise("train", *STREAM, *PERPLEXITY, "trainer.max_epochs=1", "hydra.run.dir=lm") == 0
    start = ["model.encoder=lm", "model.unfreeze=[0,1]", "trainer.max_epochs=12", "optimizer.lr=3e-2"]
    still = ["model.dropout.scale=0.1", "schedule=constant"]
    assert seqvise("train", *CLASSIFIER, *start, *still, "hydra.run.dir=ahead") == 0
    assert seqvise("train", *CLASSIFIER, "data.backwards=true", "trainer.max_epochs=1", "hydra.run.dir=back") == 0
    yield folder
    os.chdir(stood)
    sys.argv = words
    os.environ.clear()
    os.environ.update(before)


def seqvise(*words: str) -> int:
    sys.argv = ["seqvise", *words]
    return main()


def classified(*words: str) -> list[str]:
    Path("in.txt").write_text("good film 1\n\u200b\u200e\nbad story 2\nbad film 5", encoding="utf-8")
    assert seqvise("classify", "input=in.txt", "output=out.txt", "device=cpu", *words) == 0
    return Path("out.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")


def test_each_line_gets_its_label_and_an_empty_one_none(here: Path) -> None:
    assert classified("run=ahead") == ["pos", "", "neg", "neg"]
    assert (here / "ahead" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((here / "ahead" / "metrics.json").read_text())
    assert metrics["val/accuracy"] == 1.0
    assert metrics["val/f1"] == 1.0


@pytest.mark.usefixtures("here")
def test_several_runs_give_the_mean_of_their_probabilities() -> None:
    alone = [
        [json.loads(line)["probabilities"] for line in classified(f"run={run}", "format=json")]
        for run in ("ahead", "back")
    ]
    both = [json.loads(line) for line in classified("run=ahead", "run=back", "format=json")]
    assert [prediction["text"] for prediction in both] == ["good film 1", "\u200b\u200e", "bad story 2", "bad film 5"]
    assert both[1]["label"] is None
    for ahead, back, prediction in zip(*alone, both, strict=True):
        for label in ("neg", "pos"):
            assert prediction["probabilities"][label] == pytest.approx((ahead[label] + back[label]) / 2, abs=2e-6)
    assert alone[0][0] != alone[1][0]


def test_a_classifier_is_evaluated_as_in_training(here: Path) -> None:
    Path("docs.txt").write_text("".join(f"{text}\n" for text, _ in TEXTS) + "\n")
    Path("labels.txt").write_text("".join(f"{label}\n" for _, label in TEXTS) + "\n")
    words = ["source=docs.txt", "target=labels.txt", "device=cpu", "json=found.json", "samples=20"]
    assert seqvise("evaluate", "run=back", "against=ahead", *words) == 0
    report = json.loads(Path("found.json").read_text())
    for name, run in (("run", "back"), ("against", "ahead")):
        measured = json.loads((here / run / "metrics.json").read_text())
        assert report[name]["scores"]["accuracy"]["value"] == pytest.approx(100 * measured["val/accuracy"], abs=1e-4)
        assert report[name]["values"]["f1"] == pytest.approx(measured["val/f1"], abs=1e-6)
        assert report[name]["values"]["loss"] == pytest.approx(measured["val/loss"], abs=1e-5)
    assert (report["documents"], report["empty"], report["labels"]) == (24, 1, ["neg", "pos"])
    assert seqvise("classify", "run=ahead", "input=docs.txt", "output=predicted.txt", "device=cpu") == 0
    assert seqvise("evaluate", "run=back", "against=predicted.txt", *words) == 0
    assert json.loads(Path("found.json").read_text())["significance"] == report["significance"]


@pytest.mark.usefixtures("here")
def test_a_language_model_that_reads_a_file_has_the_loss_of_its_validation() -> None:
    Path("docs.txt").write_text("".join(f"{text}\n" for text, _ in TEXTS))
    column = [*STREAM, *PERPLEXITY[:2], "data.valid_batch_size=1", "trainer.max_epochs=1"]
    assert seqvise("train", *column, "loss.precision=fp32", "hydra.run.dir=column") == 0
    assert seqvise("evaluate", "run=column", "source=docs.txt", "context=file", "json=lm.json", "device=cpu") == 0
    # Validation begins with the first word of the file, which it does not predict.
    measured = json.loads(Path("column/metrics.json").read_text())
    assert json.loads(Path("lm.json").read_text())["run"]["values"]["loss"] == pytest.approx(
        measured["val/loss"], abs=2e-4
    )


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["classify", "run=lm", "input=train.tsv"], "lm has no labels (labels.json): give a run of a classifier"),
        (["classify", "run=ahead", "batch=0"], "batch is 0"),
        (["classify", "run=ahead", "format=csv"], "format is 'csv'"),
        (["translate", "run=ahead", "input=train.tsv"], "cannot translate"),
        (["translate", "run=ahead", "input=train.tsv"], "or use this run with `seqvise classify run=ahead`."),
        (["generate", "run=ahead"], "or use this run with `seqvise classify run=ahead`."),
        (["evaluate", "run=ahead", "source=train.tsv"], "target=... is missing: the labels, one for each line"),
        (["evaluate", "run=ahead", "source=train.tsv", "target=train.tsv"], "target=train.tsv: 24 lines have no label"),
        (["evaluate", "run=ahead", "source=train.tsv", "target=train.tsv", "beam=2"], "beam=2 does not apply"),
        (["train", *CLASSIFIER, "model.encoder=lm", "model.hidden=9"], "model.hidden is 9 here and 8 there"),
        (["train", *CLASSIFIER, "model.encoder=lm", "data.train=other.tsv"], "no word in common"),
        (["train", *CLASSIFIER, "model.encoder=back"], "set data.backwards=true"),
        (["train", *CLASSIFIER, "data.train=missing.tsv"], "line 2 has no label"),
        (["train", *CLASSIFIER, "data.train=single.tsv"], "a classifier needs at least two labels"),
        (["train", *CLASSIFIER, "data.train=empty.tsv"], "line 2 is a document without a word"),
    ],
)
def test_invalid_options_are_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, line in (("missing", "\tbad"), ("single", "pos\tfine"), ("empty", "neg\t")):
        Path(f"{name}.tsv").write_text(f"pos\tgood x\n{line}\n")
    Path("other.tsv").write_text("pos\tgut\nneg\tschlecht\n")
    assert seqvise(*words) == 2
    assert sentence in capsys.readouterr().err
