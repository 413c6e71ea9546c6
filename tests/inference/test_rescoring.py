"""Translations ranked by two models, against scores worked out one by one."""

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
from seqvise.inference.rescoring import RescoredTranslator, Rescorer, rescored
from seqvise.inference.translator import NOTHING, TranslationResult, Translator
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


def plain_score(rescorer: Rescorer, text: str, one: TranslationResult) -> float:
    """The weighted sum, the second model saying the words from the last to the first, step by step."""
    words = [word for word in one.words if word != "<eos>"][::-1]
    ids = torch.tensor([[[*rescorer.target.vocabulary.ids([*words, "<eos>"])]]])
    source = source_batch(rescorer.source.encode([text]))
    said = float(force_words(rescorer.model, source, ids).log_probs)  # type: ignore[arg-type]
    return (1 - rescorer.weight) * one.log_prob / len(one.words) + rescorer.weight * said / ids.shape[2]


@pytest.fixture
def forward(store: TokenStore) -> Translator:
    return Translator(model(store, 0), store.source, store.target, batch_size=3)


@pytest.fixture
def backward(store: TokenStore) -> Rescorer:
    return Rescorer(model(store, 1), store.source, store.backwards().target, weight=0.3, batch_size=3)


def test_scores_are_weighted_sums_over_both_directions(forward: Translator, backward: Rescorer) -> None:
    found = forward.hypotheses(TEXTS, options=BEAM)
    ranked = backward.rank(TEXTS, found, backwards=False)
    assert ranked[1] == [NOTHING]
    for row in (0, 2, 3):
        scores = {one.text: plain_score(backward, TEXTS[row], one) for one in found[row]}
        assert [one.text for one in ranked[row]] == sorted(scores, key=lambda text: -scores[text])
        assert [one.score for one in ranked[row]] == pytest.approx(sorted(scores.values(), reverse=True), rel=1e-4)
        assert {one.log_prob for one in ranked[row]} == {one.log_prob for one in found[row]}


def test_some_order_changes_and_none_without_weight(forward: Translator, backward: Rescorer) -> None:
    found = forward.hypotheses(TEXTS, options=BEAM)
    order = [[one.text for one in some] for some in found]
    alone = replace(backward, weight=0.0).rank(TEXTS, found, backwards=False)
    other = replace(backward, weight=1.0).rank(TEXTS, found, backwards=False)
    assert [[one.text for one in some] for some in alone] == order
    assert [[one.text for one in some] for some in other] != order


def test_words_that_stand_backwards_already_are_not_turned(backward: Rescorer) -> None:
    words = ["?", "he", "is", "<eos>"]
    turned = TranslationResult("", ("x",), words, log_prob=-1.0)
    straight = TranslationResult("", ("x",), ["is", "he", "?", "<eos>"], log_prob=-1.0)
    (first,), (second,) = (
        backward.rank(["Où ?"], [[one]], backwards) for one, backwards in ((turned, True), (straight, False))
    )
    assert first[0].score == pytest.approx(second[0].score)


def test_the_whole_beam_is_ranked_and_the_best_given(forward: Translator, backward: Rescorer) -> None:
    both = RescoredTranslator(forward.model, forward.source, forward.target, 3, rescorer=replace(backward, weight=1.0))
    best = backward.rank(TEXTS, forward.hypotheses(TEXTS, options=BEAM), backwards=False)
    best = replace(backward, weight=1.0).rank(TEXTS, best, backwards=False)
    chosen = both.hypotheses(TEXTS, options=replace(BEAM, nbest=1))
    assert [[one.text for one in some] for some in chosen] == [[some[0].text] for some in best]
    assert [one.text for one in both.translate(TEXTS, options=replace(BEAM, nbest=1))] == [
        some[0].text for some in best
    ]


def test_a_right_to_left_codec_turns_text_round(store: TokenStore) -> None:
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


def test_a_right_to_left_codec_survives_a_folder(store: TokenStore, tmp_path: Path) -> None:
    store.backwards().target.save(tmp_path, "target")
    assert TextCodec.load(tmp_path, "target") == store.backwards().target


def test_a_weight_that_is_no_share_is_refused(forward: Translator) -> None:
    with pytest.raises(UserError, match=r"rescore_weight is 1\.5"):
        rescored(forward, "nowhere", 1.5)
