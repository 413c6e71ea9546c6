"""A metric that a user adds from outside the package: one function, that of docs/extending.md, and one key."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seqvise.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples"
METRIC = "metrics=[mine.metrics.exact_match]"
TRAIN = [
    *("train", "data=mine", "data.test=animals", "model=rnn", "model.embedding=8", "model.encoder_hidden=8"),
    *("model.decoder_hidden=8", "trainer=cpu", "trainer.max_epochs=2", "test=true", "hydra.run.dir=runs/own", METRIC),
    *("monitor.metric=val/exact_match", "callbacks.progress=false"),
]


@pytest.fixture
def project(here: Path) -> Path:
    """The folder of the worked example."""
    for name in ("mine", "conf", "corpus"):
        shutil.copytree(EXAMPLES / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
    for module in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[module]
    return here


def test_it_is_logged_recorded_shown_reported_and_monitored(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A metric by which the first validation is the best, with values that are known.
    (project / "mine" / "metrics.py").write_text(
        "calls = []\n"
        "def exact_match(outputs, references):\n"
        "    calls.append((len(outputs), references))\n"
        "    return 50.0 / len(calls)\n"
    )
    assert main(TRAIN) == 0
    calls = sys.modules["mine.metrics"].calls
    lines = (project / "corpus" / "animals.en").read_text().splitlines()
    assert [count for count, _ in calls] == [42, 42, 240]  # two validations, then the test part
    assert calls[2][1] == lines
    metrics = json.loads((project / "runs" / "own" / "metrics.json").read_text())
    assert (metrics["val/exact_match"], metrics["epoch"]) == (50.0, 1)
    assert metrics["test/exact_match"] == pytest.approx(50 / 3)
    shown = capsys.readouterr().out
    assert "val/exact_match" in shown
    assert "test/exact_match" in shown
    events = EventAccumulator(str(project / "runs" / "own")).Reload()
    assert [event.value for event in events.Scalars("val/exact_match")] == [50.0, 25.0]
    assert main(["report", "sweep=runs", "metric=test/exact_match"]) == 0
    assert main(["report", "sweep=runs"]) == 0
    heads = capsys.readouterr().out
    assert "val/exact_match" in heads
    assert "test/exact_match" in heads


def test_the_documented_function_is_checked_and_used_for_labels(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from seqvise.classes import find_function

    sys.path.insert(0, str(project))
    assert find_function("metrics.0", "mine.metrics.exact_match")(["a", "b"], ["a", "c"]) == 50.0
    for override, sentence in (
        (
            "metrics=[mine.metrics.nothing]",
            "metrics.0 is 'mine.metrics.nothing', but mine.metrics has no such f",
        ),
        ("metrics=[exact_match]", "metrics.0 is 'exact_match', but must be a function with its module, as in mine."),
        ("metrics=[seqvise.files.digest]", "metrics.0 is 'seqvise.files.digest', but must be a function of your own."),
        ("metrics=[mine.metrics.__doc__]", "metrics.0 is 'mine.metrics.__doc__', but that is a str, not a function."),
        (f"metrics=[{','.join(['mine.metrics.exact_match'] * 2)}]", "but 2 entries log val/exact_match"),
        ("monitor.metric=val/exact_mach", "'val/exact_mach', which is never logged; did you mean val/exact_match?"),
    ):
        assert main([*TRAIN, override]) == 2
        assert sentence in capsys.readouterr().err
    assert not (project / "runs").exists()


@pytest.mark.usefixtures("project")
def test_a_task_without_outputs_refuses_it(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "data=text_lines", "data.root=corpus", "data.train=animals.en", "model=awd_lstm", METRIC]
    assert main([*words, "monitor.metric=val/loss", "monitor.mode=min", "hydra.run.dir=runs/own"]) == 2
    assert "LanguageModel has no outputs to compare with references: set metrics=[]" in capsys.readouterr().err
