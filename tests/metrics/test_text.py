"""Scores of text equal those of direct calls to sacreBLEU."""

import pytest
import sacrebleu

from seqvise.metrics.text import score_text, text_metrics, token_metric

OUTPUTS = ["The cat sat on the mat.", "where are you going ?", "He has two dogs."]
REFERENCES = ["the cat sat on a mat.", "Where are you going?", "He has got two dogs."]


@pytest.mark.parametrize("lowercase", [False, True])
def test_scores_equal_those_of_sacrebleu(lowercase: bool) -> None:
    scores = score_text(OUTPUTS, REFERENCES, lowercase)
    assert scores.bleu == sacrebleu.corpus_bleu(OUTPUTS, [REFERENCES], lowercase=lowercase).score
    assert scores.chrf == sacrebleu.metrics.CHRF(lowercase=lowercase).corpus_score(OUTPUTS, [REFERENCES]).score
    assert ("case:lc" in scores.signatures["bleu"]) is lowercase
    assert ("case:lc" in scores.signatures["chrf"]) is lowercase


def test_all_metrics_ignore_or_respect_case_alike() -> None:
    outputs, references = ["ONE TWO THREE FOUR FIVE"], [["one two three four five"]]
    ignoring_case = {
        name: metric.corpus_score(outputs, references).score for name, metric in text_metrics(True).items()
    }
    respecting_case = {
        name: metric.corpus_score(outputs, references).score for name, metric in text_metrics(False).items()
    }
    assert ignoring_case == pytest.approx({"bleu": 100, "chrf": 100, "ter": 0})
    assert respecting_case == pytest.approx({"bleu": 0, "chrf": 0, "ter": 100})


def test_tokens_are_compared_without_further_tokenisation() -> None:
    # The 13a tokenizer would split the comma from the word before it.
    outputs, references = ["a b c, d e"], [["a b c , d e"]]
    assert sacrebleu.corpus_bleu(outputs, references).score == pytest.approx(100)
    scores = token_metric().corpus_score(outputs, references)
    # Matches: unigrams a, b, d, e of 5; bigrams "a b" and "d e" of 4.
    assert (scores.counts[:2], scores.totals[:2]) == ([4, 2], [5, 4])
