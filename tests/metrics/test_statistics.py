"""The summed counts of any set of sentences have its corpus score."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.metrics import statistics
from seqvise.metrics.statistics import count
from seqvise.metrics.text import text_metrics, token_metric

METRICS: dict[str, Any] = {**text_metrics(True), "tokens": token_metric()}
TEXTS = st.lists(st.sampled_from(["a", "bc", "def", "the", "."]), max_size=7).map(" ".join)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8)


@pytest.mark.parametrize("name", METRICS)
@given(pairs=PAIRS, data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_set_of_sentences_has_its_corpus_score(
    name: str, pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    outputs, references = map(list, zip(*pairs, strict=True))
    counts = count(METRICS[name], outputs, references)
    assert counts.score() == METRICS[name].corpus_score(outputs, [references]).score
    members = data.draw(st.lists(st.sampled_from(range(len(pairs))), min_size=1))
    texts_of_members = [[texts[row] for row in members] for texts in (outputs, references)]
    assert (
        counts.subset(np.array(members)).score()
        == METRICS[name].corpus_score(texts_of_members[0], [texts_of_members[1]]).score
    )


def test_each_row_has_the_counts_of_one_sentence() -> None:
    outputs, references = ["the cat is here", "dog", ""], ["the cat sat here", "a dog barks", "nothing"]
    chrf = METRICS["chrf"]
    counts = count(chrf, outputs, references)
    expected = [
        chrf.corpus_score([output], [[reference]]).score for output, reference in zip(outputs, references, strict=True)
    ]
    assert counts.scores(counts.rows).tolist() == expected
    # 1 of 4 words differs; 2 of 3 are missing; 1 of 1 is missing.
    assert count(METRICS["ter"], outputs, references).rows.tolist() == [[1, 4], [2, 3], [1, 1]]


def test_counting_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, references = [f"a b c {n}" for n in range(7)], [f"a b {n} c" for n in range(7)]
    whole = [count(metric, outputs, references).rows for metric in METRICS.values()]
    monkeypatch.setattr(statistics, "CHUNK", 3)
    parts = [count(metric, outputs, references).rows for metric in METRICS.values()]
    assert all(np.array_equal(rows, chunked) for rows, chunked in zip(whole, parts, strict=True))


def test_the_signature_is_sacrebleus() -> None:
    assert count(METRICS["bleu"], ["a"], ["b"]).signature.startswith("nrefs:1|case:lc|eff:no|tok:13a|smooth:exp")
