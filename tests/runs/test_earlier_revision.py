"""Runs, stores and indexes of an earlier revision can be read, used and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from seqvise.cli.main import main
from tests.earlier import EARLIER, copy_of

EXPECTED = EARLIER / "expected"
KILLED = ("translation", "accumulated", "language_model", "classifier", "devise")
DATA = ("images", "labels.tsv", "words.vec", "network.pt", "runs/language_model", "cache")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def written(folder: Path) -> dict[Path, int]:
    """When each file of a store was written; locks aside."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock")]
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("run", ["translation", "transformer"])
def test_a_translation_run_translates_as_it_did(here: Path, run: str, beam: int) -> None:
    if run == "transformer":
        pytest.importorskip("sentencepiece")
    copy_of(here, f"runs/{run}")
    words = [f"run=runs/{run}", f"input={EXPECTED / 'source.fr'}", "output=out.jsonl", f"beam={beam}", "format=json"]
    assert main(["translate", *words, "device=cpu", "workers=1"]) == 0
    results, expected = lines(here / "out.jsonl"), lines(EXPECTED / f"{run}.beam{beam}.jsonl")
    for line, former in zip(results, expected, strict=True):
        assert line["source_words"] == former["source_words"]
        for translation, earlier in zip(line["translations"], former["translations"], strict=True):
            assert translation["words"] == earlier["words"]
            assert translation["log_prob"] == pytest.approx(earlier["log_prob"], abs=1e-3)


def test_a_classifier_labels_as_it_did(here: Path) -> None:
    copy_of(here, "runs/classifier")
    words = ["run=runs/classifier", f"input={EXPECTED / 'documents.txt'}", "output=out.jsonl", "format=json"]
    assert main(["classify", *words, "device=cpu"]) == 0
    for line, former in zip(lines(here / "out.jsonl"), lines(EXPECTED / "classifier.jsonl"), strict=True):
        assert line["label"] == former["label"]
        assert line["probabilities"] == pytest.approx(former["probabilities"], abs=1e-4)


@pytest.mark.parametrize("kind", ["exact", "nmslib", "faiss"])
def test_an_earlier_index_returns_the_same_results(here: Path, kind: str) -> None:
    pytest.importorskip("torchvision")
    if kind != "exact":
        pytest.importorskip(kind)
    copy_of(here, "runs/devise", f"indexes/{kind}", "images", "network.pt", "words.vec")
    words = [
        "run=runs/devise",
        f"index=indexes/{kind}",
        "images=images",
        "query=red",
        "query=plum - red",
        "k=5",
        "json=out.json",
    ]
    assert main(["search", *words, "device=cpu"]) == 0
    content = json.loads((here / "out.json").read_text())
    former = json.loads((EXPECTED / f"search_{kind}.json").read_text())
    for answer, earlier in zip(content["answers"], former["answers"], strict=True):
        assert [hit["name"] for hit in answer["hits"]] == [hit["name"] for hit in earlier["hits"]]
        cosines = [hit["cosine"] for hit in earlier["hits"]]
        assert [hit["cosine"] for hit in answer["hits"]] == pytest.approx(cosines, abs=1e-4)


CHANGED = ("accumulated", "language_model")
"""Runs with accumulated gradients, which counted every batch alike."""


@pytest.mark.parametrize("run", CHANGED)
def test_a_killed_run_whose_arithmetic_has_changed_says_so(
    here: Path, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_of(here, f"runs/{run}_killed", *DATA)
    assert main(["train", f"resume=runs/{run}_killed", f"paths.cache={here / 'cache'}"]) == 0
    notes = [line for line in "".join(capsys.readouterr()).splitlines() if "started by an earlier revision" in line]
    assert len(notes) == 1
    assert "trainer.accumulate_grad_batches" in notes[0]
    step, expected = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
        for folder in (here / "runs" / f"{run}_killed", EARLIER / "runs" / run)
    )
    assert step == expected


@pytest.mark.parametrize("run", [run for run in KILLED if run not in CHANGED])
def test_a_killed_run_resumes_to_the_weights_of_its_twin(here: Path, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Both were trained on a processor without bfloat16.
    monkeypatch.setattr("seqvise.tasks.base.has_bf16", lambda _: False)
    if run == "devise":
        pytest.importorskip("torchvision")
    copy_of(here, f"runs/{run}_killed", *DATA)
    assert main(["train", f"resume=runs/{run}_killed", f"paths.cache={here / 'cache'}"]) == 0
    weights, expected = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (here / "runs" / f"{run}_killed", EARLIER / "runs" / run)
    )
    assert weights.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-4, atol=1e-5, msg=name)


def test_a_former_store_is_found_and_not_built_again(here: Path) -> None:
    copy_of(here, "runs/translation_killed", "cache/corpora")
    before = written(here / "cache" / "corpora")
    assert main(["train", "resume=runs/translation_killed", f"paths.cache={here / 'cache'}"]) == 0
    assert written(here / "cache" / "corpora") == before
    assert len(list((here / "cache" / "corpora").glob("phrasebook-*"))) == 1


@pytest.mark.parametrize("folder", ["runs", "sweep"])
def test_former_runs_are_listed(here: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    copy_of(here, folder)
    words = {"runs": ["runs", "folder=runs"], "sweep": ["report", "sweep=sweep", "output=report"]}
    assert main(words[folder]) == 0
    assert "unreadable" not in capsys.readouterr().out
