"""Rounds of candidates, against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seqvise.images.labels import LabelTable
from seqvise.metrics.retrieval import Rows, hit_at_k
from seqvise.tasks.zero_shot import Images, ZeroShot
from tests.tasks.made_up import HELD_OUT, LABELS, label_table, protocol, unit, wordnet


def images(rounds: ZeroShot, noise: float = 0.8) -> dict[str, Images]:
    random = np.random.default_rng(3)
    found = {}
    for kind, chosen in (("seen", rounds.seen), ("held_out", rounds.held_out)):
        labels = np.repeat(chosen, 20).astype(np.int64)
        vectors = rounds.labels.vectors[labels]
        found[kind] = Images(unit(vectors + noise * random.normal(size=vectors.shape)), labels)
    return found


def test_each_round_is_hit_at_k_among_its_candidates() -> None:
    rounds = protocol()
    asked = images(rounds)
    found = dict(rounds.metrics(asked))
    vectors, labels = asked["held_out"]
    scores = vectors @ rounds.labels.vectors.T
    assert found["held_out_among_all/hit@2"] == hit_at_k(scores, labels, [2])[2]
    among = np.array(HELD_OUT)
    places = np.searchsorted(among, labels)
    assert found["held_out/hit@1"] == hit_at_k(scores[:, among], places, [1])[1]
    assert "held_out/hit@5" not in found, "there are three candidates"
    assert found["held_out/hit@1"] > found["held_out_among_all/hit@1"]


def test_chance_is_what_random_scores_get() -> None:
    rounds = protocol()
    random = np.random.default_rng(0)
    labels: dict[str, Rows] = {
        "seen": np.repeat(rounds.seen, 400).astype(np.int64),
        "held_out": np.repeat(rounds.held_out, 900).astype(np.int64),
    }
    asked = {kind: Images(unit(random.normal(size=(len(shown), 6))), shown) for kind, shown in labels.items()}
    found, expected = dict(rounds.metrics(asked)), dict(rounds.chances(asked))
    assert expected["seen/hit@1"] == pytest.approx(1 / 7)
    assert expected["held_out_among_all/hit@5"] == pytest.approx(0.5)
    # Random directions near fixed labels are no fair draw for one label, but for all of them together they are.
    assert found["held_out_among_all/hit@5"] == pytest.approx(expected["held_out_among_all/hit@5"], abs=0.12)


def test_calibration_moves_hits_from_seen_to_held_out() -> None:
    asked = images(protocol())
    plain, moved, far = (dict(protocol(value).metrics(asked)) for value in (0.0, 0.3, 9.0))
    assert plain["held_out_among_all/hit@1"] < moved["held_out_among_all/hit@1"] < far["held_out_among_all/hit@1"]
    assert plain["seen_among_all/hit@1"] > moved["seen_among_all/hit@1"]
    assert far["held_out_among_all/hit@1"] == far["held_out/hit@1"]
    assert far["seen_among_all/hit@1"] == 0
    assert (plain["seen/hit@1"], plain["held_out/hit@1"]) == (far["seen/hit@1"], far["held_out/hit@1"])


def test_hierarchical_precision_by_hand() -> None:
    # Of label 0's children 1 and 2 one is held out; label 0 finds itself and then label 1, its nearest seen label.
    rounds = protocol()
    vectors = unit(rounds.labels.vectors[[0]] + 0.3 * rounds.labels.vectors[[1]])
    found = dict(rounds.metrics({"seen": Images(vectors, np.array([0]))}))
    scores = vectors @ rounds.labels.vectors[rounds.seen].T
    second = rounds.seen[np.argsort(-scores[0])[1]]
    assert found["seen/hp@2"] == (1.0 if second == 1 else 0.5)


def test_every_noun_competes_and_none_twice() -> None:
    asked_for = []

    def nouns() -> LabelTable:
        asked_for.append(1)
        table = label_table()
        more = unit(np.random.default_rng(9).normal(size=(30, 6)))
        names = (*table.names, *(f"noun_{number}" for number in range(30)))
        synsets = (*table.synsets, *(f"n9{number:07}" for number in range(30)))
        return LabelTable(names, names, synsets, np.concatenate([table.vectors, more]))

    rounds = replace(protocol(), nouns=nouns, wordnet=None)
    asked = images(rounds)
    assert dict(rounds.chances(asked, nouns=True))["seen_among_nouns/hit@1"] == pytest.approx(1 / (LABELS + 30))
    found = dict(rounds.metrics(asked, nouns=True))
    assert found["seen_among_nouns/hit@1"] <= found["seen_among_all/hit@1"]
    assert len(asked_for) == 1


def test_no_label_held_out_leaves_one_round() -> None:
    rounds = protocol(held_out=())
    labels = np.arange(LABELS)
    found = dict(rounds.metrics({"seen": Images(rounds.labels.vectors, labels)}))
    assert {name.partition("/")[0] for name in found} == {"seen"}
    assert found["seen/hit@1"] == found["seen/text_to_image_map"] == found["seen/image_to_label_map"] == 1.0
    assert wordnet().distance("n00000000", "n00000004") == 2
