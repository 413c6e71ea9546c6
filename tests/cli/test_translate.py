"""``seqvise translate``: one line for each input line, in every format; invalid input is refused first."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from seqvise.cli.main import main
from seqvise.cli.support.lines import count_lines, windows
from seqvise.cli.translate import PRECISIONS
from seqvise.errors import UserError
from tests.runs.made import TARGET, make_run

INPUT = ["qui est là ?", "", "что это ?", "où es-tu ?", "qui " * 1200, " \u200b\u200e\u3164", "où est-il, $x$ ?"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("\n".join(INPUT) + "\n", encoding="utf-8")
    return tmp_path


def translate(run: Path, *words: str) -> list[str]:
    """The lines of the output file."""
    assert main(["translate", f"run={run}", "input=in.txt", "output=out.txt", "device=cpu", *words]) == 0
    return Path("out.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")


@pytest.mark.parametrize("words", [[], ["beam=3"], ["temperature=1", "top_k=5"], ["batch=1"], ["unknown=copy"]])
def test_every_line_has_a_line(run: Path, words: list[str]) -> None:
    lines = translate(run, "max_length=20", *words)
    assert len(lines) == len(INPUT)
    assert [bool(line) for line in lines] == [row not in (1, 5) for row in range(len(INPUT))]


def test_scores_and_numbers_precede_the_text(run: Path) -> None:
    plain = translate(run, "beam=3", "max_length=20")
    scored = [line.split("\t") for line in translate(run, "beam=3", "max_length=20", "scores=true")]
    assert [text for _, text in scored] == plain
    assert all(float(score) <= 0 for score, _ in scored)
    listed = [line.split("\t") for line in translate(run, "beam=3", "max_length=20", "scores=true", "nbest=2")]
    assert [number for number, *_ in listed] == ["1", "1", "2", "3", "3", "4", "4", "5", "5", "6", "7", "7"]
    assert {number: text for number, _, text in reversed(listed)} == {str(i): text for i, text in enumerate(plain, 1)}


class Terminal(io.StringIO):
    """Standard error of a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_has_the_total_of_a_file(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    translate(run, "max_length=20")
    assert "lines/s" not in capsys.readouterr().err
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    translate(run, "max_length=20", "batch=1", "workers=1")
    assert f"{len(INPUT)} of {len(INPUT)} lines, " in terminal.getvalue()
    assert "100%" not in capsys.readouterr().out


def test_progress_of_a_pipe_has_no_total(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_text("\n".join(INPUT), encoding="utf-8"))
    writer.start()
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert main(["translate", f"run={run}", "input=pipe", "output=out.txt", "device=cpu", "max_length=20"]) == 0
    writer.join()
    assert f"{len(INPUT)} lines, " in terminal.getvalue()
    assert " of " not in terminal.getvalue()


@pytest.mark.parametrize(
    ("content", "count"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\n\nb", 3), (b"\n" * 99_999, 99_999)]
)
def test_lines_of_a_file_are_counted(content: bytes, count: int) -> None:
    Path("counted").write_bytes(content)
    assert count_lines("counted") == count
    assert [count_lines(name) for name in ("-", "/dev/null", "none")] == [None] * 3


def test_json_tells_everything(run: Path) -> None:
    objects = [
        json.loads(line) for line in translate(run, "beam=2", "nbest=2", "max_length=20", "format=json", "weights=true")
    ]
    assert [item["source"] for item in objects] == INPUT
    assert objects[1]["translations"] == [{"text": "", "score": 0.0, "log_prob": 0.0, "words": [], "attention": None}]
    first = objects[0]
    assert first["source_words"] == ["qui", "est", "là", "?", "<eos>"]
    assert len(first["translations"]) == 2
    for translation in first["translations"]:
        assert set(translation) == {"text", "score", "log_prob", "words", "attention"}
        assert [len(translation["attention"]), len(translation["attention"][0])] == [len(translation["words"]), 5]
    assert "attention" not in json.loads(translate(run, "format=json", "max_length=20")[0])["translations"][0]


def test_attention_is_drawn(run: Path) -> None:
    from matplotlib.image import imread

    translate(run, "max_length=6", "attention=maps/map.png", "beam=2")
    height, width, _ = imread("maps/map.png").shape
    assert height > 300
    assert width > 300
    Path("in.txt").write_text("\n \n", encoding="utf-8")
    translate(run, "attention=none.png")
    assert not Path("none.png").exists()


def test_several_runs_translate_as_one(run: Path, here: Path) -> None:
    other = make_run(here / "other", seed=4)
    alone = [translate(path, "max_length=9") for path in (run, other)]
    both = translate(run, f"run={other}", "max_length=9")
    assert both not in alone
    assert translate(run, f"run={run}", "max_length=9", "ensemble=log_probs") == alone[0]


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_weights_of_fewer_bits_change_scores_a_little(here: Path, precision: str) -> None:
    widths = [f"model.{name}=40" for name in ("embedding", "encoder_hidden", "decoder_hidden")]
    wide = make_run(here / "wide", *widths)
    words = ["format=json", "max_length=2", "min_length=2"]
    exact, quantized = (
        [item["translations"][0]["log_prob"] for item in map(json.loads, translate(wide, *words, *more))]
        for more in ([], [f"precision={precision}"])
    )
    assert exact != quantized
    assert exact == pytest.approx(quantized, rel=0.2)


WRONG = [
    (["beam=99"], "beam is 99, but there are only 15 words to choose from."),
    (["beam=2", "nbest=3"], "nbest is 3, but beam=2 finds at most 2: set beam=3 or temperature=1."),
    (["beam=2", "temperature=1"], "beam is 2, which searches, but temperature=1.0 samples: set only one of them."),
    (["top_p=0.5"], "top_p is 0.5, but only applies to sampling: set temperature=1 with it."),
    (["format=xml"], "format is 'xml', but must be one of text, json."),
    (["ensemble=votes"], "ensemble is 'votes', but must be one of probs, log_probs."),
    (["precision=int4"], "precision is 'int4', but must be one of fp32, bf16, int8."),
    (
        ["device=meta", "precision=int8"],
        "precision=int8 is for a CPU, but device=meta: set device=cpu, or precision=bf16.",
    ),
    (
        ["weights=true"],
        "weights=true is only for format=json: set format=json, or draw the weights with attention=FILE.png.",
    ),
    (["attention=map.jpg"], "attention is 'map.jpg', but must be the name of a .png file."),
    (["unknown=table.txt"], "unknown=table.txt cannot be read: No such file or directory; keep and copy need no file."),
    (["output=in.txt"], "input and output are both in.txt: choose another output file."),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG)
def test_invalid_options_are_refused_and_nothing_is_written(
    run: Path, here: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["translate", f"run={run}", "input=in.txt", "output=out.txt", "device=cpu", *words]) == 2
    assert capsys.readouterr().err == f"seqvise: {sentence}\n"
    assert [path.name for path in here.iterdir()] == ["in.txt"]


def test_runs_that_do_not_fit_are_refused(run: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_run(here / "other", target=TARGET[::-1])
    without_attention = make_run(here / "without_attention", "model=rnn")
    words = ["translate", "input=in.txt", "output=out.txt", "device=cpu"]
    assert main([*words, f"run={run}", f"run={other}"]) == 2
    assert "other cannot form an ensemble: their vocabularies differ on the target side." in capsys.readouterr().err
    assert main([*words, f"run={without_attention}", "attention=map.png", "coverage=0.1"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors == [
        f"seqvise: {key}: the model has no attention; leave the key out." for key in ("coverage", "attention")
    ]
    (run_file := without_attention / "assets" / "target.vocabulary.tsv").unlink()
    assert main([*words, f"run={without_attention}"]) == 2
    assert str(run_file) in capsys.readouterr().err
    assert not Path("out.txt").exists()


def test_a_mistake_needs_no_torch(here: Path) -> None:
    code = "import sys; from seqvise.cli.main import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    words = ["translate", f"run={here}", "input=in.txt", "beam=2", "nbest=3"]
    done = os.popen(f'{sys.executable} -c "{code}" {" ".join(words)} 2>&1').read()
    assert done.splitlines()[-1] == "2 False"


def test_lines_are_complete_for_any_block_size() -> None:
    text = "été\r\n\nlast" + "x" * 200_000 + "\nno end"
    batches = list(windows(io.BytesIO(text.encode()), "f", 2))
    assert batches == [["été", ""], ["last" + "x" * 200_000, "no end"]]
    assert list(windows(io.BytesIO(b""), "f", 2)) == []


def test_a_line_that_is_no_text_is_named() -> None:
    with pytest.raises(UserError, match="f, line 3: not UTF-8"):
        list(windows(io.BytesIO(b"a\nb\n\xff\n"), "f", 2))


@pytest.mark.parametrize("end", [b"", b"\r"])
def test_input_with_carriage_returns_only_is_refused(end: bytes) -> None:
    with pytest.raises(UserError, match="f ends its lines with carriage returns"):
        list(windows(io.BytesIO(b"a\rb\rc" + end), "f", 2))
    assert list(windows(io.BytesIO(b"a\r\nb\rb\r\nc\r"), "f", 9)) == [["a", "b\rb", "c"]]


def test_a_pipe_is_answered_before_it_ends() -> None:
    """Whoever writes a line and waits gets its translation, though there is room for more."""
    out, into = os.pipe()
    answered = threading.Event()

    def write() -> None:
        os.write(into, b"one\ntwo\nthr")
        assert answered.wait(10)
        os.write(into, b"ee\n")
        os.close(into)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(out, "rb") as source:
        batches = []
        for lines in windows(source, "pipe", 100):
            batches.append(lines)
            answered.set()
    thread.join()
    assert batches == [["one", "two"], ["three"]]
