"""Search ranks the labels of an image like the run's evaluation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.images.labels import LabelTable
from seqvise.retrieval.queries import Query
from seqvise.retrieval.results import LabelCandidates
from seqvise.tasks.zero_shot import ALL, ZeroShot
from tests.retrieval.vectors import clustered


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**31), st.floats(0, 1), st.data())
def test_scores_equal_those_of_the_evaluation(count: int, seed: int, calibration: float, data: st.DataObject) -> None:
    seen = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=count, unique=True)))
    names = tuple(f"label {label}" for label in range(count))
    labels = LabelTable(names, names, (None,) * count, clustered(count, 8, 3, seed=seed))
    images = clustered(4, 8, 3, seed=seed + 1)
    held_out = np.setdiff1d(np.arange(count), seen)
    expected = ZeroShot(labels, np.sort(seen), held_out, calibration=calibration).candidates(ALL).scores(images)
    handicap = np.where(np.isin(np.arange(count), seen), calibration, 0).astype(np.float32)
    candidates = LabelCandidates(names, names, labels.vectors, handicap)
    answers = candidates.answers([Query("", image, image=__file__) for image in images], count)  # type: ignore[arg-type]
    for answer, scores in zip(answers, expected, strict=True):
        hit_scores = {hit.name: hit.score for hit in answer.hits}
        np.testing.assert_allclose([hit_scores[name] for name in names], scores, atol=1e-5)
        assert sorted(hit_scores.values(), reverse=True) == list(hit_scores.values())
