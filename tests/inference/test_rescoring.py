"""Translations ranked by two models, compared with scores computed separately."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seqvise.corpus.parallel.store import TokenStore
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.decoding.forced_decoding import force_words
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.inference.rescoring import RescoredTranslator, Rescorer, with_rescoring
from seqvise.inference.translator import EMPTY, TranslationResult, Translator
from seqvise.models.interface import source_batch
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions

TEXTS = ["Où est-il ?", "", "Pourquoi dort-elle ?", "Qui chante ?"]
BEAM = DecodingOptions(beam=4, nbest=4, max_length=6)


def model(store: TokenStore, seed: int) -> Recurrent:
    torch.manual_seed(seed)
    options = RecurrentOptions(embedding=8, encoder_hidden=6, decoder_hidden=8, attention="additive")
    built = Recurrent(options, len(store.source.vocabulary), len(store.target.vocabulary)).eval()
    for weight in built.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return built


def plain_score(rescorer: Rescorer, text: str, result: TranslationResult) -> float:
    """The weighted sum of both scores, with the second model decoding right to left, step by step."""
    words = [word for word in result.words if word != "<eos>"][::-1]
    ids = torch.tensor([[[*rescorer.target.vocabulary.ids([*words, "<eos>"])]]])
    source = source_batch(rescorer.source.encode([text]))
    log_prob = float(force_words(rescorer.model, source, ids).log_probs)  # type: ignore[arg-type]
    return (1 - rescorer.weight) * result.log_prob / len(result.words) + rescorer.weight * log_prob / ids.shape[2]


@pytest.fixture
def forward(store: TokenStore) -> Translator:
    return Translator(model(store, 0), store.source, store.target, batch_size=3)


@pytest.fixture
def backward(store: TokenStore) -> Rescorer:
    return Rescorer(model(store, 1), store.source, store.backwards().target, weight=0.3, batch_size=3)


def test_scores_are_weighted_sums_over_both_directions(forward: Translator, backward: Rescorer) -> None:
    nbest = forward.translate_nbest(TEXTS, options=BEAM)
    ranked = backward.rank(TEXTS, nbest, backwards=False)
    assert ranked[1] == [EMPTY]
    for row in (0, 2, 3):
        scores = {result.text: plain_score(backward, TEXTS[row], result) for result in nbest[row]}
        assert [result.text for result in ranked[row]] == sorted(scores, key=lambda text: -scores[text])
        assert [result.score for result in ranked[row]] == pytest.approx(
            sorted(scores.values(), reverse=True), rel=1e-4
        )
        assert {result.log_prob for result in ranked[row]} == {result.log_prob for result in nbest[row]}


def test_some_order_changes_and_none_without_weight(forward: Translator, backward: Rescorer) -> None:
    nbest = forward.translate_nbest(TEXTS, options=BEAM)
    order = [[result.text for result in results] for results in nbest]
    unchanged = replace(backward, weight=0.0).rank(TEXTS, nbest, backwards=False)
    reranked = replace(backward, weight=1.0).rank(TEXTS, nbest, backwards=False)
    assert [[result.text for result in results] for results in unchanged] == order
    assert [[result.text for result in results] for results in reranked] != order


def test_words_in_right_to_left_order_are_not_reversed(backward: Rescorer) -> None:
    words = ["?", "he", "is", "<eos>"]
    reversed_words = TranslationResult("", ("x",), words, log_prob=-1.0)
    forward_words = TranslationResult("", ("x",), ["is", "he", "?", "<eos>"], log_prob=-1.0)
    (first,), (second,) = (
        backward.rank(["Où ?"], [[result]], backwards)
        for result, backwards in ((reversed_words, True), (forward_words, False))
    )
    assert first[0].score == pytest.approx(second[0].score)


def test_the_whole_beam_is_ranked_and_the_best_returned(forward: Translator, backward: Rescorer) -> None:
    both = RescoredTranslator(forward.model, forward.source, forward.target, 3, rescorer=replace(backward, weight=1.0))
    best = backward.rank(TEXTS, forward.translate_nbest(TEXTS, options=BEAM), backwards=False)
    best = replace(backward, weight=1.0).rank(TEXTS, best, backwards=False)
    chosen = both.translate_nbest(TEXTS, options=replace(BEAM, nbest=1))
    assert [[result.text for result in results] for results in chosen] == [[results[0].text] for results in best]
    assert [result.text for result in both.translate(TEXTS, options=replace(BEAM, nbest=1))] == [
        results[0].text for results in best
    ]


def test_a_right_to_left_codec_reverses_text(store: TokenStore) -> None:
    plain, turned = store.target, store.backwards().target
    ids = plain.encode(["Where is he?"])[0].tolist()
    assert turned.encode(["Where is he?"])[0].tolist() == [*ids[-2::-1], ids[-1]]
    assert turned.decode(turned.encode(["Where is he?"])[0]) == "where is he?"
    assert turned.words([*ids[-2::-1], ids[-1]]) == plain.words(ids)[::-1]
    part, back = store.part("valid"), store.backwards().part("valid")
    assert part is not None
    assert back is not None
    for row in range(0, len(part), 50):
        assert turned.decode(back.target[row]) == plain.decode(part.target[row])
        assert back.target[row].tolist() == turned.encode([part.raw_target()[row]])[0].tolist()
        assert back.source[row].tolist() == part.source[row].tolist()


def test_a_right_to_left_codec_is_saved_and_loaded(store: TokenStore, tmp_path: Path) -> None:
    store.backwards().target.save(tmp_path, "target")
    assert TextCodec.load(tmp_path, "target") == store.backwards().target


def test_a_weight_above_one_is_refused(forward: Translator) -> None:
    with pytest.raises(UserError, match=r"rescore_weight is 1\.5"):
        with_rescoring(forward, "nowhere", 1.5)
