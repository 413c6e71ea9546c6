"""``seqvise.load_run`` loads each kind of run, also those of an earlier revision, and says which by its class."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import seqvise
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.errors import UserError
from seqvise.inference.load import LanguageScorer
from seqvise.models.interface import EOS
from tests.earlier import copy_of
from tests.runs.made import make_language_run, plain_codec

KINDS = {
    "translation": "Translator",
    "transformer": "Translator",
    "language_model": "LanguageScorer",
    "classifier": "Classifier",
    "devise": "Embedder",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_each_kind_of_run_is_loaded_with_each_notice_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, kind: str
) -> None:
    if kind == "Embedder":
        pytest.importorskip("torchvision")
    copy_of(tmp_path, f"runs/{name}", "network.pt", "words.vec", "encoder")
    assert type(seqvise.load_run(tmp_path / "runs" / name)).__name__ == kind
    assert len([text for text in caplog.messages if "without checksums" in text]) == 1


def test_perplexity_is_that_of_each_word_after_those_before_it(tmp_path: Path) -> None:
    codec: TextCodec = plain_codec(("le", "chat", "dort"))
    path, model = make_language_run(tmp_path / "run", codec, "model.embedding=5", "model.hidden=7")
    loaded = seqvise.load_run(path)
    assert isinstance(loaded, LanguageScorer)
    texts = ["le chat dort", "chat"]
    for text, perplexity in zip(texts, loaded.perplexity(texts), strict=True):
        (ids,) = codec.encode([text])
        assert ids[-1] == EOS
        state, log_prob, before = None, 0.0, EOS
        for word in ids.tolist():
            output = model.eval()(torch.tensor([[before]]), state)
            log_prob += float(torch.log_softmax(model.generator(output.outputs[0, 0]), 0)[word])
            state, before = output.state, word
        assert perplexity == pytest.approx(math.exp(-log_prob / len(ids)), rel=1e-4)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        seqvise.load_run(tmp_path)
