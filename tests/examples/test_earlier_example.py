"""The example as the first revision had it, with its imports, class names and `problems`, trains and translates."""

import csv
import shutil
from pathlib import Path

from tests.earlier import EARLIER
from tests.examples.test_worked_example import WORDS, process


def test_the_example_of_an_earlier_revision_works_unchanged(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(EARLIER / "examples", project)
    trained = process(project, *WORDS, "hydra.run.dir=run")
    assert trained.returncode == 0, trained.stderr
    rows = list(csv.DictReader((project / "run" / "metrics.csv").open()))
    assert sum(bool(row["val/distinct_words"]) for row in rows) == 2  # its callback reads the samples of the task

    translated = process(
        project, "translate", "run=run", "input=corpus/animals.fr", "device=cpu", "trust=true", script=""
    )
    assert translated.returncode == 0, translated.stderr
    assert len(translated.stdout.splitlines()) == len((project / "corpus" / "animals.fr").read_text().splitlines())

    refused = process(project, *WORDS, "model.pooling=median")
    assert refused.returncode == 2
    assert "model.pooling is 'median', but must be one of mean, max." in refused.stderr
