"""`seqvise generate` and `seqvise evaluate` with a language model: output, files, and refusals."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from seqvise.cli.main import main
from seqvise.inference.language_model import LanguageScorer, load_language_model
from tests.runs.made import make_language_run, make_run, plain_codec

WORDS = ("le", "chat", "dort", "bien", "ici")
SIZES = ["model.embedding=5", "model.hidden=7"]
GENERATE = ["generate", "run=lm", "device=cpu", "max_length=5"]
EVALUATE = ["evaluate", "run=lm", "device=cpu", "samples=20"]
LINES = ["le chat dort", "", "ici bien", "le zèbre dort ici"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generate")
    make_language_run(folder / "lm", plain_codec(WORDS), *SIZES)
    make_language_run(folder / "lm2", plain_codec(WORDS), *SIZES)
    make_language_run(folder / "other", plain_codec((*WORDS, "chien")), *SIZES)
    make_run(folder / "translation")
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for run in made.iterdir():
        (tmp_path / run.name).symlink_to(run)
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture
def scorer(made: Path) -> LanguageScorer:
    return load_language_model(made / "lm")


def test_each_continuation_has_a_line(
    here: Path, scorer: LanguageScorer, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    prompts = ["le chat", "ici"]
    assert main([*GENERATE, "prompt=le chat", "prompt=ici", "n=3", "seed=2", "temperature=0.7"]) == 0
    expected = scorer.generate(prompts, n=3, seed=2, temperature=0.7, max_length=5)
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines == [text.text for texts in expected for text in texts]
    assert all(line.startswith("le chat") for line in lines[:3])
    (here / "prompts.txt").write_text("le chat\nici\n")
    assert main([*GENERATE, "input=prompts.txt", "output=out.txt", "n=3", "seed=2", "temperature=0.7", "batch=1"]) == 0
    assert (here / "out.txt").read_text().splitlines() == lines


def test_json_has_an_object_for_each_prompt(here: Path, scorer: LanguageScorer) -> None:
    assert main([*GENERATE, "output=out.json", "format=json", "n=2", "prompt=le chat"]) == 0
    expected = scorer.generate("le chat", n=2, max_length=5)
    assert json.loads((here / "out.json").read_text()) == {
        "prompt": "le chat",
        "continuations": [
            {"text": text.text, "log_prob": pytest.approx(text.log_prob, abs=1e-5), "words": text.words}
            for text in expected
        ],
    }


@pytest.mark.usefixtures("here")
def test_without_a_prompt_a_document_is_generated(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main([*GENERATE, "top_k=3"]) == 0
    assert len(capfdbinary.readouterr().out.decode().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (["temperature=0", "top_k=0", "n=0"], ["temperature is 0.0, but", "top_k is 0, but", "n is 0, but"]),
        (["temperature=-1"], ["temperature is -1.0, but must be above 0: set top_k=1 for the most likely words."]),
        (["temperature=hot"], ["temperature is 'hot', but must be a number."]),
        (["top_k=2.5"], ["top_k is '2.5', but must be a whole number."]),
        (["top_p=1.5"], ["top_p is 1.5, but must be above 0 and at most 1."]),
        (["max_length=0"], ["max_length is 0, but must be at least 1."]),
        (["n=1001"], ["n is 1001, but must be at most 1000: generate more with other values of seed."]),
        (["batch=0"], ["batch is 0, but must be at least 1."]),
        (["format=csv"], ["format is 'csv', but must be one of text, json."]),
        (["prompt=a", "input=lines.txt"], ["prompt and input=lines.txt are both set: choose one of them."]),
        (["input=none.txt"], ["input=none.txt cannot be read: No such file or directory."]),
        (["input=lines.txt", "output=lines.txt"], ["input and output are both lines.txt"]),
        (["prompt=zèbre", "prompt=rat le", "prompt=rat"], ["prompt=zèbre: the vocabulary has none", "prompt=rat: the"]),
        (["run=translation"], ["translation has no language model: it was trained with data.kind=parallel."]),
        (["run=none"], ["none is not a run directory: there is no such folder."]),
        (["promt=le"], ["promt: there is no such key; did you mean prompt?"]),
        (["device=foo"], ["device=foo cannot be used here"]),
    ],
)
def test_wrong_values_are_refused(
    here: Path, words: list[str], sentences: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*GENERATE, "output=new.txt", *words]) == 2
    captured = capsys.readouterr()
    lines = [line.removeprefix("seqvise: ") for line in captured.err.splitlines() if line.startswith("seqvise: ")]
    assert len(lines) == len(sentences)
    assert all(line.startswith(sentence) for line, sentence in zip(lines, sentences, strict=True))
    assert captured.out == ""
    assert not (here / "new.txt").exists()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", ["translate", "classify"])
def test_other_commands_name_the_command_of_a_language_model(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "run=lm", "input=lines.txt"]) == 2
    assert "or use this run with `seqvise generate run=lm`." in capsys.readouterr().err


def test_perplexity_is_that_of_all_tokens(
    here: Path, scorer: LanguageScorer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*EVALUATE, "source=lines.txt", "scores=scores.txt", "json=found.json"]) == 0
    texts = [line for line in LINES if line]
    counts = [len(ids) for ids in scorer.encode(texts)]
    losses = [math.log(value) for value in scorer.perplexity(texts)]
    loss = sum(value * count for value, count in zip(losses, counts, strict=True)) / sum(counts)
    report = json.loads((here / "found.json").read_text())
    assert report["run"]["scores"]["perplexity"]["value"] == pytest.approx(math.exp(loss), rel=1e-5)
    assert report["run"]["values"] == {"loss": pytest.approx(loss, rel=1e-5), "tokens": 12, "unknown_tokens": 1}
    assert (report["documents"], report["empty"], report["context"]) == (3, 1, "line")
    scores = (here / "scores.txt").read_text().splitlines()
    assert scores[1] == ""
    assert [float(score) for score in scores if score] == pytest.approx([math.exp(value) for value in losses], rel=1e-4)
    output = capsys.readouterr().out
    assert "perplexity" in output
    assert f"{math.exp(loss):,.4f}"[:4] in output
    assert "3, 1 empty line skipped" in output


def test_a_whole_file_is_read_as_a_stream(here: Path, scorer: LanguageScorer) -> None:
    assert main([*EVALUATE, "source=lines.txt", "context=file", "json=found.json"]) == 0
    log_probs = scorer.log_probs_of_stream(scorer.encode([line for line in LINES if line]))
    loss = -sum(map(sum, log_probs)) / sum(map(len, log_probs))
    assert json.loads((here / "found.json").read_text())["run"]["values"]["loss"] == pytest.approx(loss, rel=1e-5)


def test_two_language_models_are_compared(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EVALUATE, "source=lines.txt", "against=lm2", "json=found.json"]) == 0
    report = json.loads((here / "found.json").read_text())
    values = [report[name]["scores"]["perplexity"]["value"] for name in ("run", "against")]
    comparison = report["significance"]["perplexity"]
    assert comparison["difference"] == pytest.approx(values[0] - values[1])
    low, high = comparison["interval"]
    assert low <= comparison["difference"] <= high
    assert "Lower perplexity is better." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (
            ["beam=3", "target=lines.txt"],
            ["target=lines.txt does not apply: lm is the run of a language", "beam=3 does"],
        ),
        (["against.beam=3", "against=lm2"], ["against.beam=3 does not apply"]),
        (["context=word"], ["context is 'word', but must be one of line, file."]),
        (["against=lines.txt"], ["against=lines.txt is no folder, but a language model is compared with another run"]),
        (["against=other"], ["run=lm and against=other have different vocabularies or tokenizers"]),
        (["against=translation"], ["translation has no language model"]),
        (["scores=lines.txt"], ["scores=lines.txt is also source: choose another file name."]),
        (["source=none.txt"], ["source=none.txt cannot be read"]),
        (["source=blank.txt"], ["source has no line with a word: there is nothing to evaluate."]),
    ],
)
def test_what_does_not_apply_is_refused(
    here: Path, words: list[str], sentences: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "blank.txt").write_text("\n \n")
    assert main([*EVALUATE, "source=lines.txt", "json=new.json", *words]) == 2
    captured = capsys.readouterr()
    lines = [line.removeprefix("seqvise: ") for line in captured.err.splitlines() if line.startswith("seqvise: ")]
    assert len(lines) == len(sentences)
    assert all(line.startswith(sentence) for line, sentence in zip(lines, sentences, strict=True))
    assert captured.out == ""
    assert not (here / "new.json").exists()
