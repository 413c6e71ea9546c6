"""A run that decodes from right to left, and one that is rescored by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqvise.cli.translate import main
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.inference.rescoring import with_rescoring
from seqvise.inference.translator import load_translator
from tests.cli.test_train import SOURCE, TINY, here, seqvise

__all__ = ["here"]


def test_a_right_to_left_run_rescores_a_left_to_right_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(name: str, *words: str) -> Path:
        folder = here / name
        assert seqvise(monkeypatch, "train", "data.root=corpus", *TINY, *words, f"hydra.run.dir={folder}") == 0
        return folder

    forward, backward = trained("forward"), trained("backward", "data.reverse_target=true")
    assert json.loads((backward / "assets/target.codec.json").read_text())["backwards"] is True
    store = {path.name for path in (here / "outputs/cache/corpora").iterdir() if path.name.startswith("files-")}
    assert len(store) == 1, "both directions read one store"

    beam = DecodingOptions(beam=3, nbest=3)
    both = with_rescoring(load_translator(forward), backward, 1.0)
    ranked = both.translate_nbest(SOURCE, options=beam)
    alone = load_translator(forward).translate_nbest(SOURCE, options=beam)
    assert [{item.text for item in nbest} for nbest in ranked] == [{item.text for item in nbest} for nbest in alone]
    assert all(nbest == sorted(nbest, key=lambda item: -item.score) for nbest in ranked)

    (here / "in.txt").write_text("".join(f"{text}\n" for text in SOURCE))
    words = ["input=in.txt", "output=out.txt", f"run={forward}", f"rescore={backward}", "rescore_weight=1", "beam=3"]
    assert seqvise(monkeypatch, "translate", *words) == 0
    assert (here / "out.txt").read_text().splitlines() == [some[0].text for some in ranked]

    other = trained("other", "tokenizer=chars")
    with pytest.raises(UserError, match=r"rescore=.*other: this run has a different target vocabulary"):
        with_rescoring(load_translator(forward), other)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rescore=there"], "rescore=there needs several hypotheses, but beam is 1"),
        (["rescore=there", "beam=2", "rescore_weight=2"], "rescore_weight is 2.0"),
    ],
)
def test_invalid_rescoring_is_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run=nowhere", *words]) == 2
    assert sentence in capsys.readouterr().err
