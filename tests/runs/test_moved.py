"""A moved or copied run: its folder has all files that it reads and writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from seqvise.cli.main import main
from seqvise.config.formats import load_config
from tests.earlier import EARLIER, copy_of

EXPECTED = EARLIER / "expected"


def begun_in(folder: Path) -> None:
    """Changes a run's config as if the run had been started in this folder."""
    file = folder / "config.yaml"
    config = yaml.safe_load(file.read_text())
    former = config["paths"]["run"]
    file.write_text(file.read_text().replace(former, str(folder)))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_resumed_copy_does_not_change_the_original(here: Path) -> None:
    copy_of(here, "runs/translation_killed", "cache/corpora")
    original, copy = here / "runs" / "translation_killed", here / "copy"
    begun_in(original)
    shutil.copytree(original, copy)
    before = content(original)
    assert "metrics.csv" in before
    assert main(["train", f"resume={copy}", f"paths.cache={here / 'cache'}"]) == 0
    assert content(original) == before
    assert (copy / "metrics.csv").is_file()
    assert [path.read_bytes() for path in copy.glob("metrics-before-*.csv")] == [before["metrics.csv"]]


def test_a_resumed_run_writes_where_it_was_moved_to(here: Path) -> None:
    copy_of(here, "runs/translation_killed", "cache/corpora")
    begun_in(here / "runs" / "translation_killed")
    shutil.move(here / "runs" / "translation_killed", here / "elsewhere")
    shutil.rmtree(here / "runs")
    assert main(["train", "resume=elsewhere", f"paths.cache={here / 'cache'}"]) == 0
    assert sorted(path.name for path in here.iterdir()) == ["cache", "elsewhere"]
    assert str(here / "runs") not in (here / "elsewhere" / "config.yaml").read_text()


def test_paths_in_a_run_go_with_it_and_others_stay(tmp_path: Path) -> None:
    run = tmp_path / "new"
    run.mkdir()
    nodes = {
        "paths": {"run": "/old/run", "cache": "/old/cache"},
        "logger": {"save_dir": "/old/run"},
        "callbacks": {"extra": {"mine": {"files": ["/old/run/a.txt", "/old/runs/b.txt", "/old/run"]}}},
    }
    (run / "config.yaml").write_text(yaml.safe_dump(nodes))
    config = load_config(run / "config.yaml")
    assert config.paths == {"run": str(run), "cache": "/old/cache"}
    assert config.logger.save_dir == str(run)
    assert config.callbacks.extra.mine.files == [f"{run}/a.txt", "/old/runs/b.txt", str(run)]


def test_a_run_of_images_keeps_its_network(here: Path) -> None:
    pytest.importorskip("torchvision")
    copy_of(here, "runs/devise_killed", "images", "network.pt", "words.vec", "cache")
    assert main(["train", "resume=runs/devise_killed", f"paths.cache={here / 'cache'}"]) == 0
    kept = here / "runs" / "devise_killed" / "assets" / "network" / "network.pt"
    assert kept.read_bytes() == (here / "network.pt").read_bytes()
    assert kept.stat().st_ino != (here / "network.pt").stat().st_ino
    assert main(["index", "run=runs/devise_killed", "images=images", "output=before", "device=cpu"]) == 0
    shutil.move(here / "runs" / "devise_killed", here / "moved")
    for name in ("runs", "cache"):
        shutil.rmtree(here / name)
    (here / "network.pt").unlink()
    (here / "words.vec").unlink()
    assert main(["index", "run=moved", "images=images", "output=after", "device=cpu"]) == 0
    answers = []
    for index in ("before", "after"):
        words = [f"index={index}", "query=red", "image=images/red/0.png", "k=3", "json=out.json", "device=cpu"]
        assert main(["search", "run=moved", *words]) == 0
        answers.append(json.loads((here / "out.json").read_text())["answers"])
        (here / "out.json").unlink()
    assert answers[0] == answers[1]


def test_a_run_without_its_network_says_where_to_put_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torchvision")
    copy_of(here, "runs/devise", "images")
    assert main(["index", "run=runs/devise", "images=images", "output=index", "device=cpu"]) == 2
    assert "runs/devise/assets/network/network.pt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "command"),
    [
        ("translation", ["translate", "input={expected}/source.fr", "output=out.txt", "device=cpu"]),
        ("translation", ["evaluate", "source={expected}/source.fr", "target={expected}/source.fr", "device=cpu"]),
        ("classifier", ["classify", "input={expected}/documents.txt", "output=out.txt", "device=cpu"]),
        ("language_model", ["encoder", "output=encoder"]),
    ],
)
def test_a_moved_run_is_used_without_data_and_left_as_it_is(here: Path, run: str, command: list[str]) -> None:
    copy_of(here, f"runs/{run}")
    folder = here / "moved"
    shutil.move(here / "runs" / run, folder)
    (here / "runs").rmdir()
    before = content(folder)
    name, *words = (word.format(expected=EXPECTED) for word in command)
    assert main([name, "run=moved", *words]) == 0
    assert content(folder) == before
    assert {path.name for path in here.iterdir()} <= {"moved", "out.txt", "encoder"}
