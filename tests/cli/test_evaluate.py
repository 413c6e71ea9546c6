"""`seqvise evaluate` over a real run: its numbers are those of training, its refusals come before its work."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import sacrebleu

from seqvise.cli.main import main
from tests.cli.test_bad_input import SOURCE, TARGET, TINY, write_corpus
from tests.runs.made import make_run

WORDS = ["source=corpus/train.fr", "target=corpus/train.en", "device=cpu", "samples=50"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and two runs, ``one`` and ``two``, tested on that corpus."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_corpus(folder / "corpus")
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        for number, name in enumerate(("one", "two")):
            words = [*TINY, f"seed={number}", "optimizer.lr=3e-2", f"trainer.max_epochs={3 + 17 * number}"]
            patch.setattr(sys, "argv", ["seqvise", "train", *words, "loss.precision=fp32"])
            assert main() == 0
            (run,) = (folder / "outputs" / "runs" / "full").iterdir()
            run.rename(folder / name)
    os.environ.clear()
    os.environ.update(before)
    return folder


@pytest.fixture
def here(tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the corpus and the runs."""
    shutil.copytree(trained / "corpus", tmp_path / "corpus")
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(trained / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_scores_and_loss_are_those_that_training_measured(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run=two", *WORDS, "json=out/found.json"]) == 0
    measured = json.loads((here / "two" / "metrics.json").read_text())
    report = json.loads((here / "out" / "found.json").read_text())
    run = report["run"]
    assert run["scores"]["bleu"]["value"] == pytest.approx(measured["test/bleu"], abs=1e-4)
    assert run["scores"]["chrf"]["value"] == pytest.approx(measured["test/chrf"], abs=1e-4)
    assert run["loss"] == pytest.approx(measured["test/loss"], abs=1e-4)
    assert run["perplexity"] == pytest.approx(measured["test/ppl"], rel=1e-4)
    assert run["signatures"]["bleu"] == measured["signature/bleu"]
    assert (report["lowercase"], report["sentences"], report["against"]) == (True, 6, None)
    assert f"{measured['test/bleu']:.2f}" in capsys.readouterr().out


def test_two_runs_are_compared_as_their_translations_are(here: Path) -> None:
    for name in ("one", "two"):
        assert main(["translate", f"run={name}", "input=corpus/train.fr", f"output={name}.en", "device=cpu"]) == 0
    assert main(["evaluate", "run=one", "against=two", *WORDS, "json=runs.json", "tokens=own"]) == 0
    assert main(["evaluate", "run=one", "translations=one.en", "against=two.en", *WORDS, "json=files.json"]) == 0
    runs, files = (json.loads((here / f"{name}.json").read_text()) for name in ("runs", "files"))
    assert runs["significance"] == files["significance"]
    assert runs["differences"] == files["differences"]
    assert runs["by_length"] == files["by_length"]
    assert runs["run"]["loss"] == files["run"]["loss"]
    assert (runs["run"]["seconds"] is None, files["run"]["seconds"] is None) == (False, True)
    assert (runs["against"]["loss"] is None, files["against"]["loss"] is None) == (False, True)
    outputs = (here / "two.en").read_text().splitlines()
    wanted = sacrebleu.corpus_bleu(outputs, [TARGET], lowercase=True).score
    assert files["against"]["scores"]["bleu"]["value"] == wanted
    assert runs["significance"]["bleu"]["difference"] == runs["run"]["scores"]["bleu"]["value"] - wanted


def test_a_run_does_not_differ_from_itself(here: Path) -> None:
    assert main(["evaluate", "run=two", "against=two", *WORDS, "json=found.json", "beam=2"]) == 0
    report = json.loads((here / "found.json").read_text())
    assert {test["bootstrap"] for test in report["significance"].values()} == {1}
    assert {test["randomisation"] for test in report["significance"].values()} == {1}
    assert report["differences"] == []
    assert report["beam"] == 2


def test_two_decodings_of_one_run_are_compared(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(here / "made")
    (here / "a.fr").write_text("qui est là ?\noù es -tu\nque fait -il ?\n")
    (here / "a.en").write_text("who is there?\nwhere are you\nwhat does he do?\n")
    words = ["source=a.fr", "target=a.en", "device=cpu", "samples=20"]
    for beam in (1, 4):
        assert main(["translate", "run=made", "input=a.fr", f"output={beam}.en", "device=cpu", f"beam={beam}"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "run=made", "beam=4", "against=made", "against.beam=1", *words, "json=runs.json"]) == 0
    output = capsys.readouterr().out
    assert main(["evaluate", "run=made", "translations=4.en", "against=1.en", *words, "json=files.json"]) == 0
    runs, files = (json.loads((here / f"{name}.json").read_text()) for name in ("runs", "files"))
    assert runs["significance"] == files["significance"]
    assert runs["differences"] == files["differences"] != []
    assert (runs["run"]["beam"], runs["against"]["beam"]) == (4, 1)
    beams = [line.split("(")[1].split(",")[0] for line in output.splitlines() if "sentences/s" in line]
    assert beams == ["beam 4", "beam 1"]


def test_references_are_needed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run=one", "source=corpus/train.fr", "scores=s"]) == 2
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "seqvise: scores=s does not apply: one is the run of a translation model. Leave scores out.",
        "seqvise: target=... is missing: the references, one for each line of the source.",
    ]
    assert not (here / "s").exists()


def test_tokens_are_scored_as_the_model_says_them(here: Path) -> None:
    """Translations that are the references but for the case and the spaces before marks."""
    pytest.importorskip("sacremoses")
    texts = [text.replace("?", " ?").upper() for text in TARGET]
    (here / "mine.en").write_text("\n".join(texts) + "\n")
    assert main(["evaluate", "run=one", "translations=mine.en", *WORDS, "tokens=moses", "json=found.json"]) == 0
    scores = json.loads((here / "found.json").read_text())["run"]["scores"]
    assert scores["bleu_on_tokens"]["value"] == pytest.approx(100)
    assert scores["bleu_on_moses_tokens"]["value"] == pytest.approx(100)


def test_empty_lines_are_counted_and_do_no_harm(here: Path) -> None:
    (here / "a.fr").write_text("\n".join(["", *SOURCE, "   "]) + "\n")
    (here / "a.en").write_text("\n".join(["where?", *TARGET, ""]) + "\n")
    files = ["source=a.fr", "target=a.en"]
    assert main(["evaluate", "run=two", *files, "device=cpu", "json=found.json", "plot=p.png", "samples=20"]) == 0
    report = json.loads((here / "found.json").read_text())
    measured = json.loads((here / "two" / "metrics.json").read_text())
    assert (report["sentences"], report["empty_sources"], report["empty_references"]) == (8, 2, 1)
    assert report["run"]["loss"] == pytest.approx(measured["test/loss"], abs=1e-4)
    assert report["by_length"][0] | {"run": None} == {"label": "0", "sentences": 2, "run": None, "against": {}}
    assert (here / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_lower_precision_can_be_evaluated(here: Path, precision: str) -> None:
    assert main(["evaluate", "run=two", *WORDS, f"precision={precision}", "json=found.json"]) == 0
    assert json.loads((here / "found.json").read_text())["run"]["scores"]["bleu"]["value"] >= 0


def test_files_without_any_word_are_evaluated_too(here: Path) -> None:
    (here / "a").write_text("\n\n")
    assert main(["evaluate", "run=one", "source=a", "target=a", "device=cpu", "samples=5"]) == 0


REFUSED = [
    (["source=none.fr"], "source=none.fr cannot be read: No such file or directory."),
    (["target=corpus/odd.en"], "source=corpus/train.fr has 6 lines and target=corpus/odd.en has 4 lines"),
    (["source=corpus/latin.fr"], "source=corpus/latin.fr, line 2 is not UTF-8"),
    (["source=corpus/empty.fr"], "source=corpus/empty.fr is empty"),
    (["against=corpus/odd.en"], "against=corpus/odd.en has 4 lines"),
    (["against=corpus"], "corpus is not a run directory: it has no config.yaml."),
    (["translations=none"], "translations=none cannot be read"),
    (["run=none"], "none is not a run directory: there is no such folder."),
    (["beam=0"], "beam is 0, but must be at least 1."),
    (["beam=9999"], "beam is 9999, but there are only"),
    (["samples=0"], "samples is 0, but must be at least 1."),
    (["n=-1"], "n is -1, but must be at least 0."),
    (["batch=0"], "batch is 0, but must be at least 1."),
    (["precision=fp16"], "precision is 'fp16', but must be one of fp32, bf16, int8."),
    (["tokens=mosses"], "tokens is 'mosses', but must be one of own, moses."),
    (["device=foo"], "device=foo"),
    (["plot=a.pdf"], "plot=a.pdf must end in .png."),
    (["json=corpus"], "json=corpus cannot be written: it is a folder."),
    (["json=one/config.yaml/a"], "config.yaml is a file."),
    (["json=corpus/train.en"], "json=corpus/train.en is also target: choose another file name."),
    (["json=a.png", "plot=./a.png"], "plot=a.png is also json: choose another file name."),
    (["against=two", "against.beam=0"], "against.beam is 0, but must be at least 1."),
    (["against.beam=3"], "against.beam=3 needs a run that translates: set against= to a run directory."),
    (["against=corpus/train.en", "against.beam=3"], "against.beam=3 needs a run that translates"),
    (["against=two", "against.beam=9999"], "beam is 9999, but there are only"),
    (["scores=s.txt"], "scores=s.txt does not apply: one is the run of a translation model. Leave scores out."),
    (["context=file"], "context=file does not apply: one is the run of a translation model."),
    (["context=words"], "context is 'words', but must be one of line, file."),
    (["scores=corpus"], "scores=corpus cannot be written: it is a folder."),
    (["bean=3"], "bean: there is no such key; did you mean beam?"),
]


@pytest.mark.parametrize(("words", "sentence"), REFUSED)
def test_invalid_input_is_refused_before_translation(
    here: Path,
    words: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for work in ("inference.translator.Translator.translate", "evaluation.systems.loss_of_references"):
        monkeypatch.setattr(f"seqvise.{work}", None)
    before = sorted(path.name for path in here.iterdir())
    assert main(["evaluate", "run=one", *WORDS, *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if line.startswith("seqvise: ")]
    assert sentence in line
    assert "Traceback" not in captured.err
    assert sorted(path.name for path in here.iterdir()) == before


@pytest.mark.usefixtures("here")
def test_invalid_options_are_reported_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run=one", *WORDS, "beam=0", "samples=0", "plot=x"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_runs_of_other_languages_are_not_compared(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = shutil.copytree(here / "two", here / "other")
    path = other / "assets" / "target.codec.json"
    path.write_text(path.read_text().replace('"en"', '"de"'))
    (other / "assets" / "checksums.json").unlink(missing_ok=True)
    assert main(["evaluate", "run=one", "against=other", *WORDS]) == 2
    assert "run=one translates fr to en, but against=other fr to de" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_missing_sacremoses_is_reported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    assert main(["evaluate", "run=one", *WORDS, "tokens=moses"]) == 2
    assert "pip install 'seqvise[moses]'" in capsys.readouterr().err
