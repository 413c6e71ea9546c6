"""The numbers of a report are those of direct sacreBLEU calls, and its JSON has all of them."""

import json
import math

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from seqvise.evaluation.report import EvaluationReport, Sampling, build_report
from tests.evaluation.systems import BAD, GOOD, REFERENCES, corpus, system

SAMPLING = Sampling(100, 7)


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    systems = [system("good", GOOD, 1.5), system("bad", BAD)]
    return build_report(corpus(), systems, True, 3, SAMPLING, 10)


def test_scores_are_those_of_the_corpus(report: EvaluationReport) -> None:
    assert report.against is not None
    for texts, system_report in ((GOOD, report.run), (BAD, report.against)):
        scores = {name: score.value for name, score in system_report.scores.items()}
        assert scores == {
            "bleu": BLEU(lowercase=True).corpus_score(texts, [REFERENCES]).score,
            "chrf": CHRF(lowercase=True).corpus_score(texts, [REFERENCES]).score,
            "ter": TER().corpus_score(texts, [REFERENCES]).score,
            "bleu_on_tokens": BLEU(tokenize="none").corpus_score(texts, [REFERENCES]).score,
        }
        assert all(score.interval.low <= score.value + 1e-9 for score in system_report.scores.values())
    assert report.run.signatures["bleu_on_tokens"].startswith("tokenizer=words, lower; nrefs:1|case:mixed|eff:no|tok:n")


def test_loss_and_counts(report: EvaluationReport) -> None:
    assert report.against is not None
    assert (report.run.loss, report.run.perplexity) == (1.5, math.exp(1.5))
    assert (report.run.words, report.run.unknown_words, report.run.seconds) == (20, 3, 2.0)
    assert (report.against.loss, report.against.perplexity, report.against.words) == (None, None, None)
    assert (report.sentences, report.empty_sources, report.empty_references) == (5, 1, 1)


def test_groups_are_scored_separately(report: EvaluationReport) -> None:
    assert [(group.label, group.sentences) for group in report.by_length] == [("0", 1), ("1-5", 3), ("6-10", 1)]
    assert [(group.label, group.sentences) for group in report.by_unknown] == [("0", 2), ("1", 2), ("2", 1)]
    short = report.by_length[1]
    expected = CHRF(lowercase=True).corpus_score(GOOD[:3], [REFERENCES[:3]]).score
    assert (short.run["chrf"].value, set(short.run), set(short.against)) == (
        expected,
        {"bleu", "chrf", "ter"},
        {"bleu", "chrf", "ter"},
    )
    # Two sentences with one unknown word: one of three words is changed in one, none in the other.
    assert report.by_unknown[1].run["ter"].value == pytest.approx(100 / 4)


def test_differences_are_sorted_by_size_and_nonzero(report: EvaluationReport) -> None:
    chrf = CHRF(lowercase=True)
    differences = [
        (difference.line, difference.run_chrf - difference.against_chrf) for difference in report.differences
    ]
    expected = []
    for row, (good, bad, reference) in enumerate(zip(GOOD, BAD, REFERENCES, strict=True)):
        scores = [chrf.corpus_score([text], [[reference]]).score for text in (good, bad)]
        expected.append((row + 1, scores[0] - scores[1]))
    assert differences == sorted((pair for pair in expected if pair[1]), key=lambda pair: -abs(pair[1]))
    assert sorted(line for line, _ in differences) == [1, 2, 5]
    assert report.differences[0].against == BAD[differences[0][0] - 1]


def test_the_number_of_differences_is_limited() -> None:
    systems = [system("good", GOOD), system("bad", BAD)]
    assert len(build_report(corpus(), systems, True, 1, SAMPLING, 2).differences) == 2


def test_one_system_is_compared_with_nothing() -> None:
    report = build_report(corpus(), [system("good", GOOD, 1.0)], False, 1, SAMPLING, 5)
    assert (report.against, report.significance, report.differences) == (None, {}, [])
    assert all(group.against == {} for group in report.by_length)
    assert "case:mixed" in report.run.signatures["ter"]


def test_json_has_everything(report: EvaluationReport) -> None:
    content = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert content["sampling"] == {"samples": 100, "seed": 7}
    assert content["run"]["scores"]["bleu"]["value"] == report.run.scores["bleu"].value
    assert content["run"]["scores"]["bleu"]["interval"] == list(report.run.scores["bleu"].interval)
    assert content["significance"]["ter"]["difference"] == report.significance["ter"].difference
    assert content["differences"][0]["source"] == report.differences[0].source
    assert [group["label"] for group in content["by_length"]] == ["0", "1-5", "6-10"]


def test_a_non_finite_loss_is_null_in_json() -> None:
    systems = [system("good", GOOD, math.nan)]
    content = build_report(corpus(), systems, True, 1, SAMPLING, 5).as_json()
    assert content["run"]["loss"] is None
    json.dumps(content, allow_nan=False)
