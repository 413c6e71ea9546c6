"""Vectors of labels by each policy, and reports of labels without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqvise.errors import UserError
from seqvise.images.labels import LabelCoverage, LabelSource, LabelTable, Method, headword, label_table
from seqvise.images.wordnet import WordNet
from seqvise.vectors.lexicon import Lexicon

COUGAR, SEAHORSE, WALRUS, FACE, CRANE, MACHINE = (f"n{number:08d}" for number in range(1, 7))
WORDNET = WordNet(
    {
        COUGAR: "cougar, puma, big cat",
        SEAHORSE: "seahorse, sea horse",
        WALRUS: "walrus, sea horse",
        FACE: "face, human face",
        CRANE: "crane",
        MACHINE: "crane",
    }
)
AXES = {"puma": 0, "big": 1, "cat": 2, "Face": 3, "seahorse": 4, "crane": 5, "nowhere": 6}


def lexicon(*words: str) -> Lexicon:
    """Each word has its own axis and a length that grows with its row; ``nowhere`` is zero."""
    matrix = np.zeros((len(words), len(AXES)), np.float32)
    for row, word in enumerate(words):
        matrix[row, AXES[word]] = 0 if word == "nowhere" else row + 1
    return Lexicon(words, matrix, "words.vec", len(words))


WORDS = lexicon("puma", "big", "cat", "Face", "seahorse", "crane", "nowhere")


def source_of(
    name: str, policy: str, table: dict[str, str] | None = None, wordnet: WordNet | None = WORDNET
) -> LabelSource:
    _, coverage = label_table([name, "cat"], policy, WORDS, wordnet, table, missing="leave_out")
    return coverage.sources[0]


@pytest.mark.parametrize(
    ("name", "policy", "method", "entries", "unknown"),
    [
        ("puma", "exact", Method.NAME, ("puma",), ()),
        ("PUMA", "exact", Method.NAME, ("puma",), ()),
        (FACE, "exact", Method.NAME, ("Face",), ()),
        (COUGAR, "exact", Method.NONE, (), ()),
        (COUGAR, "any", Method.LEMMA, ("puma",), ()),
        ("cougar", "any", Method.LEMMA, ("puma",), ()),
        ("sea_horse", "any", Method.CLOSED, ("seahorse",), ()),
        ("sea_horse", "exact", Method.NONE, (), ()),
        ("big_cat", "any", Method.LEMMA, ("puma",), ()),
        ("cat-big", "any", Method.NONE, (), ()),
        ("cat of the big", "mean", Method.MEAN, ("cat", "big"), ()),
        ("cat_in_hat", "mean", Method.PART, ("cat",), ("hat",)),
        ("cat_in_hat", "head", Method.HEAD, ("cat",), ()),
        ("big_dog", "head", Method.NONE, (), ()),
        ("nowhere", "exact", Method.NONE, (), ()),
        ("puma cat", "head", Method.HEAD, ("cat",), ()),
    ],
)
def test_each_method(
    name: str, policy: str, method: Method, entries: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    assert source_of(name, policy) == LabelSource(name, method, entries, unknown)


def test_vectors_have_length_one_and_words_of_a_mean_have_equal_weights() -> None:
    table, _ = label_table(["cat", "cat_big"], "mean", WORDS)
    expected = np.zeros((2, len(AXES)))
    expected[0, 2] = 1
    expected[1, [1, 2]] = 2**-0.5
    np.testing.assert_allclose(table.vectors, expected, atol=1e-6)


def test_a_table_provides_the_synset() -> None:
    assert source_of("lion", "any", {"lion": COUGAR}) == LabelSource("lion", Method.LEMMA, ("puma",))
    table, coverage = label_table(
        ["cougar", "sea_horse"], "any", WORDS, WORDNET, {"cougar": "", "sea_horse": WALRUS}, "leave_out"
    )
    assert coverage.without_vector == ("cougar",)
    assert (table.names, table.synsets, table.titles) == (("sea_horse",), (WALRUS,), ("sea horse",))
    assert (coverage.guessed, coverage.ambiguous) == ((), ())


def test_inferred_synsets_are_reported() -> None:
    table, coverage = label_table(["puma", "sea_horse", "cat"], "any", WORDS, WORDNET)
    assert table.synsets == (COUGAR, None, None)
    assert (coverage.guessed, coverage.ambiguous) == (("puma",), ("sea_horse",))
    assert "since several synsets have the name: sea_horse." in str(coverage)
    assert "only synset that has the name: puma." in str(coverage)


def test_a_file_of_synsets_needs_no_wordnet() -> None:
    ids = Lexicon((COUGAR, CRANE), np.eye(2, dtype=np.float32), "ids.npz", 2)
    table, coverage = label_table([CRANE, COUGAR], "exact", ids)
    assert table.vectors.tolist() == [[0, 1], [1, 0]]
    assert (table.titles, table.synsets) == ((CRANE, COUGAR), (CRANE, COUGAR))
    assert coverage.count(Method.NAME) == 2
    assert label_table([COUGAR], "exact", ids, WORDNET)[0].titles == ("cougar",)


def test_labels_that_share_a_vector_are_reported() -> None:
    _, coverage = label_table([CRANE, "cat", MACHINE], "exact", WORDS, WORDNET)
    assert coverage.same_vector == ((CRANE, MACHINE),)
    assert f"Sharing a vector: {CRANE} = {MACHINE}." in str(coverage)


def test_labels_without_a_vector_are_refused_by_name() -> None:
    with pytest.raises(UserError) as caught:
        label_table(["cat", "dog", "fish"], "any", WORDS, WORDNET)
    assert caught.value.messages == (
        "2 of 3 labels have no vector in words.vec with data.policy=any: dog, fish. Choose another policy (exact, any, "
        "mean, head) or vector file, or set data.missing=leave_out to leave out these labels and their images.",
    )
    with pytest.raises(UserError, match=r"set data\.wordnet to its folder"):
        label_table(["cat", COUGAR], "any", WORDS)


def test_labels_without_a_vector_are_left_out_by_name() -> None:
    table, coverage = label_table(["dog", "cat", "fish", COUGAR], "any", WORDS, WORDNET, missing="leave_out")
    assert table.names == ("cat", COUGAR)
    assert coverage.without_vector == ("dog", "fish")
    assert str(coverage) == ("2 of 4 labels (policy any) have a vector: 1 by name, 1 by lemma. Without: dog, fish.")
    assert coverage.table().splitlines()[1:] == [
        "dog\tnone\t\t",
        "cat\tname\tcat\t",
        "fish\tnone\t\t",
        f"{COUGAR}\tlemma\tpuma\t",
    ]
    with pytest.raises(UserError, match="2 of 2 labels have no vector"):
        label_table(["dog", "fish"], "any", WORDS, missing="leave_out")


def test_an_unknown_synset_has_no_vector() -> None:
    assert source_of("n99999999", "any").method is Method.NONE
    assert source_of("lion", "any", {"lion": "n99999999"}).method is Method.NONE


def test_invalid_arguments_are_refused() -> None:
    for names, policy, missing in (
        (["cat", "cat"], "any", "refuse"),
        (["cat"], "all", "refuse"),
        (["cat"], "any", "no"),
    ):
        with pytest.raises(ValueError, match="policy="):
            label_table(names, policy, WORDS, missing=missing)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("sea_horse", "horse"),
        ("cup of tea", "cup"),
        ("jack-in-the-box", "jack"),
        ("dog", "dog"),
        ("of", "of"),
        ("_", "_"),
    ],
)
def test_headwords(name: str, head: str) -> None:
    assert headword(name) == head


def test_a_table_is_saved_and_loaded(tmp_path: Path) -> None:
    table = LabelTable(("é", CRANE), ("é", "crane"), (None, CRANE), np.eye(2, dtype=np.float32))
    table.save(tmp_path / "labels")
    again = LabelTable.load(tmp_path / "labels")
    assert (again.names, again.titles, again.synsets) == (table.names, table.titles, table.synsets)
    assert again.vectors.tolist() == [[1, 0], [0, 1]]
    assert (len(again), again.dim) == (2, 2)
    assert again.chosen([1]).names == (CRANE,)
    assert again.chosen([1, 0]).vectors.tolist() == [[0, 1], [1, 0]]
    (tmp_path / "labels" / "labels.tsv").write_text("name\ttitle\tsynset\nonly\tone\t\n", encoding="utf-8")
    with pytest.raises(UserError, match="1 labels and"):
        LabelTable.load(tmp_path / "labels")


def test_a_long_report_lists_a_hundred_and_counts_the_rest() -> None:
    coverage = LabelCoverage("any", tuple(LabelSource(f"label{n}", Method.NONE) for n in range(130)))
    assert str(coverage).endswith("label99 and 30 more.")
    assert coverage.table().count("\n") == 131
