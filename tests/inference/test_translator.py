"""Translators of single runs and ensembles: order of results, empty and long texts, options, refused runs."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from seqvise.decoding import decode, unknown
from seqvise.decoding.forced_decoding import ForcedScores, force_words
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.inference import translator as translators
from seqvise.inference.translator import (
    MAX_SOURCE_WORDS,
    TYPICAL_LENGTH,
    Translator,
    batches,
    count_workers,
    load_ensemble,
    load_translator,
)
from tests.runs.made import TARGET, make_run

TEXTS = ["Qui est là ?", "", "où es-tu ?", "   ", "что это ?", "Que fait-il ?", "qui " * 50, "où est où est -il ?"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def translator(path: Path) -> Translator:
    return load_translator(path)


@pytest.mark.parametrize("options", [DecodingOptions(), DecodingOptions(beam=4), DecodingOptions(temperature=1.0)])
def test_batched_translations_equal_single_ones(translator: Translator, options: DecodingOptions) -> None:
    together = translator.translate(TEXTS, options=options)
    alone = [translator.translate([text], options=options)[0] for text in TEXTS]
    assert [result.words for result in together] == [result.words for result in alone]
    assert [result.text for result in together] == [result.text for result in alone]
    assert [bool(result.words) for result in together] == [bool(text.strip()) for text in TEXTS]


def test_the_best_hypothesis_is_the_translation(translator: Translator) -> None:
    options = DecodingOptions(beam=4, nbest=3)
    nbest = translator.translate_nbest(TEXTS, options=options)
    assert [result[0].text for result in nbest] == [
        result.text for result in translator.translate(TEXTS, options=options)
    ]
    for text, hypotheses in zip(TEXTS, nbest, strict=True):
        assert len(hypotheses) == (3 if text.strip() else 1)
        scores = [result.score for result in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(result.words) for result in hypotheses}) == len(hypotheses)
        for result in hypotheses:
            assert result.score == pytest.approx(result.log_prob / max(len(result.words), 1), abs=1e-4)


def test_one_text_has_one_translation(translator: Translator) -> None:
    (expected,) = translator.translate(["où es-tu ?"])
    assert translator.translate("où es-tu ?").text == expected.text
    nbest = translator.translate_nbest("où es-tu ?", beam=4, nbest=3)
    assert [result.text for result in nbest] == [
        result.text
        for result in translator.translate_nbest(["où es-tu ?"], options=DecodingOptions(beam=4, nbest=3))[0]
    ]


def test_options_are_keywords(translator: Translator) -> None:
    options = DecodingOptions(beam=4, nbest=3, alpha=0.5)
    both: tuple[dict[str, Any], ...] = ({"beam": 4, "nbest": 3}, {"nbest": 3, "options": DecodingOptions(beam=4)})
    for keywords in both:
        results = translator.translate(TEXTS, alpha=0.5, **keywords)
        for result, nbest in zip(results, translator.translate_nbest(TEXTS, options=options), strict=True):
            assert [result.text, *(other.text for other in result.alternatives)] == [best.text for best in nbest]
            assert result.score == nbest[0].score


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"beem": 5}, "beem: there is no such option; did you mean beam?"),
        ({"beam_size": 5}, "beam_size: there is no such option; did you mean beam?"),
        ({"xyz": 5}, "xyz: there is no such option; the options are beam, nbest, length_penalty, "),
        ({"beam": 0}, "beam is 0, but must be at least 1."),
    ],
)
def test_invalid_keywords_are_refused(translator: Translator, keywords: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        translator.translate("qui ?", **keywords)
    assert str(error.value).startswith(sentence)


def test_attention_has_a_row_for_each_word(translator: Translator) -> None:
    for result in translator.translate(TEXTS, attention=True, options=DecodingOptions(beam=3)):
        if result.words:
            assert result.attention is not None
            assert result.attention.shape == (len(result.words), len(result.source_words))
            assert result.attention.sum(1) == pytest.approx(1.0, abs=1e-4)


def test_long_lines_are_truncated(translator: Translator, caplog: pytest.LogCaptureFixture) -> None:
    options = DecodingOptions(max_length=3)
    with caplog.at_level(logging.WARNING):
        result = translator.translate(["qui " * (MAX_SOURCE_WORDS + 50)], options=options)[0]
    assert len(result.source_words) == MAX_SOURCE_WORDS
    assert result.source_words[-2:] == ["qui", "<eos>"]
    assert "1050 words" in caplog.text


@pytest.mark.parametrize("options", [DecodingOptions(), DecodingOptions(beam=4, nbest=2)])
def test_several_processes_translate_like_one(path: Path, options: DecodingOptions) -> None:
    alone, several = load_translator(path, batch_size=2), load_translator(path, batch_size=2, workers=3)
    assert (alone.workers, several.workers) == (1, 3)
    texts = [*TEXTS, *[f"{text} {text}" for text in TEXTS]] * 2
    expected = alone.translate_nbest(texts, attention=True, options=options)
    nbest = several.translate_nbest(texts, attention=True, options=options)
    for result, other in zip(chain(*expected), chain(*nbest), strict=True):
        assert (result.text, result.words, result.source_words) == (other.text, other.words, other.source_words)
        assert result.log_prob == pytest.approx(other.log_prob, abs=1e-4)
        assert (result.attention is None) == (other.attention is None)


def test_translating_does_not_import_training(path: Path) -> None:
    code = (
        "import sys; from seqvise.inference.translator import load_translator; "
        "import seqvise.inference.classifier, seqvise.inference.rescoring, seqvise.evaluation.report; "
        "load_translator(sys.argv[1]).translate(['où es-tu ?']); "
        "print(sorted({'pytorch_lightning', 'torchvision', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_several_processes_need_a_cpu() -> None:
    assert count_workers(None, torch.device("cpu")) == torch.get_num_threads()
    assert count_workers(None, torch.device("cuda")) == count_workers(1, torch.device("cuda")) == 1
    with pytest.raises(UserError, match="workers is 2, but device=cuda has one: leave it out"):
        count_workers(2, torch.device("cuda"))
    with pytest.raises(UserError, match="workers is 0, but at least one process"):
        count_workers(0, torch.device("cpu"))


def test_batches_are_sorted_and_bounded() -> None:
    lengths = [5, 300, 7, 1, 299, 40, 41, 2000]
    row_batches = list(batches(range(8), lengths, 16))
    assert row_batches == [[3, 0, 2, 5, 6], [4, 1], [7]]
    assert all(len(batch) * max(lengths[row] for row in batch) <= 16 * TYPICAL_LENGTH for batch in row_batches[:-1])


@pytest.mark.parametrize("attention", [True, False])
def test_unknown_words_and_attention_share_one_forced_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attention: bool
) -> None:
    translator = load_translator(make_run(tmp_path / "run", unknown=4.0))
    options = DecodingOptions(beam=3, nbest=2, unknown="copy")
    # Two passes, as before attention was shared: one for the attention alone, one for the unknown words alone.
    kept = translator.translate_nbest(TEXTS, attention, replace(options, unknown="keep"))
    copied = translator.translate_nbest(TEXTS, False, options)
    passes = []

    def counted(*arguments: Any) -> ForcedScores:
        passes.append(arguments)
        return force_words(*arguments)

    for module in (decode, unknown):
        monkeypatch.setattr(module, "force_words", counted)
    results = translator.translate_nbest(TEXTS, attention, options)
    assert len(passes) == 1
    assert "<unk>" in str([result.words for result in chain(*kept)])
    for result, copy, keep in zip(chain(*results), chain(*copied), chain(*kept), strict=True):
        assert (result.text, result.words, result.score) == (copy.text, copy.words, copy.score)
        assert (result.source_words, result.log_prob) == (keep.source_words, keep.log_prob)
        assert (result.attention is None) == (keep.attention is None)
        if result.attention is not None and keep.attention is not None:
            assert (result.attention == keep.attention).all()


def test_unknown_words_are_copied_or_looked_up(tmp_path: Path) -> None:
    translator = load_translator(make_run(tmp_path / "run", unknown=6.0))
    text, source = "Zoé est Brno", ["zoé", "est", "brno"]
    kept = translator.translate([text])[0]
    assert "<unk>" in kept.words
    copied = translator.translate([text], options=DecodingOptions(unknown="copy"))[0]
    for before, after in zip(kept.words, copied.words, strict=True):
        assert after in source if before == "<unk>" else after == before
    assert "<unk>" not in copied.text
    (tmp_path / "table").write_text("".join(f"{word}\tX{word}\n" for word in source), encoding="utf-8")
    looked_up = translator.translate([text], options=DecodingOptions(unknown=str(tmp_path / "table")))[0]
    known = [
        f"X{after}" if before == "<unk>" else after for before, after in zip(kept.words, copied.words, strict=True)
    ]
    assert looked_up.words == known
    assert copied.score == kept.score


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (DecodingOptions(beam=16), "beam is 16, but there are only 15 words"),
        (DecodingOptions(beam=2, nbest=3), "nbest is 3"),
        (DecodingOptions(unknown="no/such/file"), "unknown=no/such/file cannot be read"),
    ],
)
def test_invalid_options_are_refused(translator: Translator, options: DecodingOptions, part: str) -> None:
    with pytest.raises(UserError, match=part):
        translator.translate(["qui ?"], options=options)


@pytest.mark.parametrize(
    ("options", "key"), [(DecodingOptions(coverage=0.1), "coverage"), (DecodingOptions(unknown="copy"), "unknown")]
)
def test_options_that_need_attention_are_refused_without(tmp_path: Path, options: DecodingOptions, key: str) -> None:
    translator = load_translator(make_run(tmp_path / "run", "model=rnn"))
    with pytest.raises(UserError, match=f"{key}: the model has no attention"):
        translator.translate(["qui ?"], options=options)
    with pytest.raises(UserError, match="weights: the model has no attention"):
        translator.check(DecodingOptions(), ["weights"])
    assert translator.translate(["qui ?"], attention=True)[0].attention is None


def test_several_runs_are_an_ensemble(tmp_path: Path, path: Path) -> None:
    other = make_run(tmp_path / "other", "model=rnn", seed=5)
    options = DecodingOptions(beam=3)
    alone = [
        [result.words for result in load_translator(run).translate(TEXTS, options=options)] for run in (path, other)
    ]
    for mean in ("probs", "log_probs"):
        both = load_ensemble([path, other], mean=mean).translate(TEXTS, attention=True, options=options)
        assert [result.words for result in both] not in alone
        assert both[0].attention is not None
    same = load_ensemble([path, path]).translate(TEXTS, options=options)
    assert [result.words for result in same] == alone[0]


def test_runs_of_different_words_are_refused(tmp_path: Path, path: Path) -> None:
    shuffled = make_run(tmp_path / "shuffled", target=TARGET[::-1])
    fewer = make_run(tmp_path / "fewer", target=TARGET[:-1])
    with pytest.raises(UserError, match="their vocabularies differ on the target side"):
        load_ensemble([path, shuffled])
    with pytest.raises(UserError, match="they have 15 and 14 words on the target side"):
        load_ensemble([path, path, fewer])


def test_runs_of_different_tokenizers_are_refused(tmp_path: Path, path: Path) -> None:
    other = make_run(tmp_path / "other")
    file = other / "assets" / "source.codec.json"
    file.write_text(file.read_text().replace('"case": "lower"', '"case": "keep"'))
    with pytest.raises(UserError, match="their tokenizers differ on the source side"):
        load_ensemble([path, other])


def test_a_run_of_another_task_is_refused(tmp_path: Path) -> None:
    other = make_run(tmp_path / "other")
    file = other / "config.yaml"
    file.write_text(file.read_text().replace("seqvise.models.recurrent.model.Recurrent", "torch.nn.Identity"))
    with pytest.raises(
        UserError, match=r"model._target_ is 'torch.nn.Identity', but must be a class of seqvise.models"
    ):
        load_translator(other)


def test_bf16_without_hardware_support_is_logged(
    translator: Translator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for has in (True, False):
        monkeypatch.setattr(translators, "has_bf16", lambda _, has=has: has)
        translator.quantized("bf16")
        assert ("this cpu has no bf16 instructions" in caplog.text) is not has
