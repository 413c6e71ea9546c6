"""Zero-shot evaluation rounds against values computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seqvise.images.labels import LabelTable
from seqvise.metrics.retrieval import Rows
from seqvise.tasks.zero_shot import Images, ZeroShot
from tests.metrics.at_k import hit_at_k
from tests.tasks.made_up import HELD_OUT, LABELS, label_table, protocol, unit, wordnet


def images(zero_shot: ZeroShot, noise: float = 0.8) -> dict[str, Images]:
    random = np.random.default_rng(3)
    by_kind = {}
    for kind, rows in (("seen", zero_shot.seen), ("held_out", zero_shot.held_out)):
        labels = np.repeat(rows, 20).astype(np.int64)
        vectors = zero_shot.labels.vectors[labels]
        by_kind[kind] = Images(unit(vectors + noise * random.normal(size=vectors.shape)), labels)
    return by_kind


def test_each_round_is_hit_at_k_among_its_candidates() -> None:
    rounds = protocol()
    test_images = images(rounds)
    metrics = dict(rounds.metrics(test_images))
    vectors, labels = test_images["held_out"]
    scores = vectors @ rounds.labels.vectors.T
    assert metrics["held_out_among_all/hit@2"] == hit_at_k(scores, labels, [2])[2]
    candidates = np.array(HELD_OUT)
    columns = np.searchsorted(candidates, labels)
    assert metrics["held_out/hit@1"] == hit_at_k(scores[:, candidates], columns, [1])[1]
    assert "held_out/hit@5" not in metrics, "there are three candidates"
    assert metrics["held_out/hit@1"] > metrics["held_out_among_all/hit@1"]


def test_the_chance_level_is_the_result_of_random_scores() -> None:
    rounds = protocol()
    random = np.random.default_rng(0)
    labels: dict[str, Rows] = {
        "seen": np.repeat(rounds.seen, 400).astype(np.int64),
        "held_out": np.repeat(rounds.held_out, 900).astype(np.int64),
    }
    test_images = {
        kind: Images(unit(random.normal(size=(len(labels_of_kind), 6))), labels_of_kind)
        for kind, labels_of_kind in labels.items()
    }
    metrics, expected = dict(rounds.metrics(test_images)), dict(rounds.chances(test_images))
    assert expected["seen/hit@1"] == pytest.approx(1 / 7)
    assert expected["held_out_among_all/hit@5"] == pytest.approx(0.5)
    # Random directions do not hit each fixed label equally often, but on average over all labels they do.
    assert metrics["held_out_among_all/hit@5"] == pytest.approx(expected["held_out_among_all/hit@5"], abs=0.12)


def test_calibration_trades_seen_hits_for_held_out_hits() -> None:
    test_images = images(protocol())
    none, some, extreme = (dict(protocol(value).metrics(test_images)) for value in (0.0, 0.3, 9.0))
    assert none["held_out_among_all/hit@1"] < some["held_out_among_all/hit@1"] < extreme["held_out_among_all/hit@1"]
    assert none["seen_among_all/hit@1"] > some["seen_among_all/hit@1"]
    assert extreme["held_out_among_all/hit@1"] == extreme["held_out/hit@1"]
    assert extreme["seen_among_all/hit@1"] == 0
    assert (none["seen/hit@1"], none["held_out/hit@1"]) == (extreme["seen/hit@1"], extreme["held_out/hit@1"])


def test_hierarchical_precision_by_hand() -> None:
    # One of label 0's children, 1 and 2, is held out. The nearest seen labels of the image are 0 and then 1.
    rounds = protocol()
    vectors = unit(rounds.labels.vectors[[0]] + 0.3 * rounds.labels.vectors[[1]])
    metrics = dict(rounds.metrics({"seen": Images(vectors, np.array([0]))}))
    scores = vectors @ rounds.labels.vectors[rounds.seen].T
    second = rounds.seen[np.argsort(-scores[0])[1]]
    assert metrics["seen/hp@2"] == (1.0 if second == 1 else 0.5)


def test_all_nouns_are_candidates_and_none_twice() -> None:
    calls = []

    def nouns() -> LabelTable:
        calls.append(1)
        table = label_table()
        noun_vectors = unit(np.random.default_rng(9).normal(size=(30, 6)))
        names = (*table.names, *(f"noun_{number}" for number in range(30)))
        synsets = (*table.synsets, *(f"n9{number:07}" for number in range(30)))
        return LabelTable(names, names, synsets, np.concatenate([table.vectors, noun_vectors]))

    rounds = replace(protocol(), nouns=nouns, wordnet=None)
    test_images = images(rounds)
    assert dict(rounds.chances(test_images, nouns=True))["seen_among_nouns/hit@1"] == pytest.approx(1 / (LABELS + 30))
    metrics = dict(rounds.metrics(test_images, nouns=True))
    assert metrics["seen_among_nouns/hit@1"] <= metrics["seen_among_all/hit@1"]
    assert len(calls) == 1


def test_without_held_out_labels_there_is_one_round() -> None:
    rounds = protocol(held_out=())
    labels = np.arange(LABELS)
    metrics = dict(rounds.metrics({"seen": Images(rounds.labels.vectors, labels)}))
    assert {name.partition("/")[0] for name in metrics} == {"seen"}
    assert metrics["seen/hit@1"] == metrics["seen/text_to_image_map"] == metrics["seen/image_to_label_map"] == 1.0
    assert wordnet().distance("n00000000", "n00000004") == 2
