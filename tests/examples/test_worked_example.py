"""The worked example of docs/extending.md, as a person runs it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

ROOT = Path(__file__).parents[2]
WORDS = [
    "model=mine",
    "data=mine",
    "callbacks=mine",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "logger=csv",
    "trainer.log_every_n_steps=1",
]


def process(folder: Path, *words: str, script: str = "train.py") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *([str(ROOT / script)] if script else ["-c", TRANSLATE]), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# The console script: unlike `python -m`, it leaves the folder it is started in out of sys.path.
TRANSLATE = "import sys; sys.path.remove(''); from seqvise.cli.main import main; sys.exit(main())"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "examples"
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("outputs", "__pycache__"))
    return folder


@pytest.fixture(scope="module")
def run(project: Path) -> Path:
    done = process(project, *WORDS)
    assert done.returncode == 0, done.stderr
    last = done.stdout.rstrip().splitlines()[-1]
    return Path(last.removeprefix("run: "))


def test_it_trains_with_metrics(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["epochs"] == 2
    assert {"val/bleu", "val/loss", "val/accuracy"} <= set(metrics)
    assert json.loads((run / "status.json").read_text())["status"] == "ok"


def test_the_model_is_the_persons_own(run: Path) -> None:
    assert yaml.safe_load((run / "config.yaml").read_text())["model"]["_target_"] == "mine.model.BagOfWords"
    weights = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert [name for name in weights if name.startswith("model.encoder.")] == ["model.encoder.embedding.weight"]


def test_the_loss_is_the_persons_own(run: Path) -> None:
    """At one step, before words are learnt by heart, a focal loss is below the cross entropy: ``(1 - p)^2 < 1``."""
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    step, entropy = next((row["step"], float(row["val/loss"])) for row in rows if row["val/loss"])
    focal = next(float(row["train/loss"]) for row in rows if row["train/loss"] and row["step"] == step)
    assert focal < 0.95 * entropy


def test_the_callback_is_the_persons_own(run: Path) -> None:
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    counted = [float(row["val/distinct_words"]) for row in rows if row["val/distinct_words"]]
    assert len(counted) == 2
    assert all(count >= 1 for count in counted)


def test_it_translates(project: Path, run: Path) -> None:
    words = ["translate", f"run={run}", "input=corpus/animals.fr", "device=cpu"]
    done = process(project, *words, script="")
    assert done.returncode == 2
    assert "model._target_ is 'mine.model.BagOfWords', a class outside of seqvise" in done.stderr
    done = process(project, *words, "trust=true", script="")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len((project / "corpus" / "animals.fr").read_text().splitlines())


def test_its_own_options_are_checked(project: Path) -> None:
    done = process(project, *WORDS, "model.pooling=median")
    assert done.returncode == 2
    assert done.stderr == "seqvise: model.pooling is 'median', but must be one of mean, max.\n"


def test_the_run_holds_what_its_document_names(run: Path) -> None:
    text = (ROOT / "docs" / "run-directory.md").read_text(encoding="utf-8")
    names = [f"{path.name}/" if path.is_dir() else path.name for path in run.iterdir()]
    assert [name for name in names if f"`{name}`" not in text] == []
    metrics = json.loads((run / "metrics.json").read_text())
    assert [name for name in metrics if f"`{name}`" not in text] == []
