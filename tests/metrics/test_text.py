"""Scores of text are those that sacreBLEU gives when it is called plainly."""

import pytest
import sacrebleu

from seqvise.metrics.text import score_text, text_metrics, token_metric

OUTPUTS = ["The cat sat on the mat.", "where are you going ?", "He has two dogs."]
REFERENCES = ["the cat sat on a mat.", "Where are you going?", "He has got two dogs."]


@pytest.mark.parametrize("lowercase", [False, True])
def test_scores_are_those_of_sacrebleu(lowercase: bool) -> None:
    found = score_text(OUTPUTS, REFERENCES, lowercase)
    assert found.bleu == sacrebleu.corpus_bleu(OUTPUTS, [REFERENCES], lowercase=lowercase).score
    assert found.chrf == sacrebleu.metrics.CHRF(lowercase=lowercase).corpus_score(OUTPUTS, [REFERENCES]).score
    assert ("case:lc" in found.signatures["bleu"]) is lowercase
    assert ("case:lc" in found.signatures["chrf"]) is lowercase


def test_case_counts_in_every_metric_or_in_none() -> None:
    outputs, references = ["ONE TWO THREE FOUR FIVE"], [["one two three four five"]]
    without = {name: metric.corpus_score(outputs, references).score for name, metric in text_metrics(True).items()}
    kept = {name: metric.corpus_score(outputs, references).score for name, metric in text_metrics(False).items()}
    assert without == pytest.approx({"bleu": 100, "chrf": 100, "ter": 0})
    assert kept == pytest.approx({"bleu": 0, "chrf": 0, "ter": 100})


def test_tokens_are_compared_as_they_stand() -> None:
    # 13a would part the comma from the word before it.
    outputs, references = ["a b c, d e"], [["a b c , d e"]]
    assert sacrebleu.corpus_bleu(outputs, references).score == pytest.approx(100)
    found = token_metric().corpus_score(outputs, references)
    # Unigrams a b d e of five, bigrams "a b" and "d e" of four.
    assert (found.counts[:2], found.totals[:2]) == ([4, 2], [5, 4])
