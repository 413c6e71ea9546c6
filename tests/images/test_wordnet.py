"""WordNet's nouns, their hierarchy and distances."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.errors import UserError
from seqvise.images.wordnet import UNREACHABLE, WordNet, is_synset, read_class_index


def synset(number: int) -> str:
    return f"n{number:08d}"


ENTITY, ANIMAL, DOG, CAT, PET, PUPPY, STONE, ALONE = map(synset, range(8))
WORDS = f"""{ENTITY}	entity
{ANIMAL}	animal, beast
{DOG}	dog, domestic dog, Canis familiaris
{CAT}	cat
{PET}	pet
{PUPPY}	puppy, hot-dog
{STONE}	stone, Dog
{ALONE}	Paris
"""
EDGES = [
    (ENTITY, ANIMAL),
    (ANIMAL, DOG),
    (ANIMAL, CAT),
    (ENTITY, PET),
    (PET, DOG),
    (DOG, PUPPY),
    (ENTITY, STONE),
]


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    (tmp_path / "words.txt").write_text(WORDS, encoding="utf-8")
    (tmp_path / "edges.txt").write_text("".join(f"{parent} {child}\n" for parent, child in EDGES), encoding="utf-8")
    return WordNet.read(tmp_path / "words.txt", tmp_path / "edges.txt")


def test_lemmas_and_their_synsets(wordnet: WordNet) -> None:
    assert len(wordnet) == 8
    assert DOG in wordnet
    assert synset(99) not in wordnet
    assert wordnet.lemmas(DOG) == ("dog", "domestic dog", "Canis familiaris")
    assert wordnet.find("DOG") == (DOG, STONE)
    assert wordnet.find("domestic_dog") == (DOG,)
    assert wordnet.find("hot dog") == (PUPPY,)
    assert wordnet.find("fish") == ()


def test_hypernyms_and_hyponyms(wordnet: WordNet) -> None:
    assert wordnet.parents(DOG) == (ANIMAL, PET)
    assert wordnet.children(ENTITY) == (ANIMAL, PET, STONE)
    assert wordnet.ancestors(PUPPY) == (DOG, ANIMAL, PET, ENTITY)
    assert wordnet.levels(PUPPY) == [(DOG,), (ANIMAL, PET), (ENTITY,)]
    assert wordnet.levels(ALONE) == []
    assert wordnet.parents(ALONE) == wordnet.children(ALONE) == wordnet.ancestors(ALONE) == ()


def test_distances_by_hand(wordnet: WordNet) -> None:
    assert wordnet.distance(DOG, CAT) == 2
    assert wordnet.distance(PET, CAT) == 3
    assert wordnet.distance(DOG, DOG) == 0
    assert wordnet.distance(DOG, ALONE) is None
    assert wordnet.distances([CAT, None, ALONE], [PUPPY, None, ALONE, CAT]).tolist() == [
        [3, UNREACHABLE, UNREACHABLE, 0],
        [UNREACHABLE] * 4,
        [UNREACHABLE, UNREACHABLE, 0, UNREACHABLE],
    ]
    assert wordnet.closest(DOG, [STONE, CAT, ALONE, PUPPY, PET], 4) == [(PUPPY, 1), (PET, 1), (CAT, 2), (STONE, 3)]
    assert wordnet.distances([], [DOG]).shape == (0, 1)
    assert wordnet.distances([DOG], []).shape == (1, 0)


def breadth_first(count: int, edges: list[tuple[int, int]], start: int) -> list[int]:
    distances = {start: 0}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for first, second in [*edges, *((child, parent) for parent, child in edges)]:
            if first == node and second not in distances:
                distances[second] = distances[node] + 1
                waiting.append(second)
    return [distances.get(row, UNREACHABLE) for row in range(count)]


@given(st.integers(1, 80).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_distances_equal_those_of_single_searches(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = graph
    names = [synset(row) for row in range(count)]
    wordnet = WordNet(dict.fromkeys(names, "word"), [(names[first], names[second]) for first, second in edges])
    expected = [breadth_first(count, edges, row) for row in range(count)]
    assert wordnet.distances(names, names).tolist() == expected


def test_without_edges_all_synsets_are_unreachable(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(WORDS, encoding="utf-8")
    distances = WordNet.read(tmp_path / "words.txt").distances([DOG], [DOG, CAT])
    assert distances.tolist() == [[0, UNREACHABLE]]
    assert distances.dtype == np.int16


@pytest.mark.parametrize(
    ("words", "edges", "message"),
    [
        (f"{DOG} dog\n", "", "words.txt, line 1 is"),
        (f"{DOG}\tdog\n\nfish\tfish\n", "", "words.txt, line 3 is 'fish"),
        (WORDS, f"{DOG} {CAT}\n{DOG}\n", "edges.txt, line 2 is"),
        (WORDS, f"{DOG} {synset(77)}\n", "edges.txt, line 1 is"),
    ],
)
def test_damaged_files_are_refused(words: str, edges: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(words, encoding="utf-8")
    (tmp_path / "edges.txt").write_text(edges, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        WordNet.read(tmp_path / "words.txt", tmp_path / "edges.txt")
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.txt cannot be read"):
        WordNet.read(tmp_path / "gone.txt")


def test_the_class_index(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    path.write_text('{"1": ["n00000002", "great_dane"], "0": ["n00000001", "tench"]}', encoding="utf-8")
    assert read_class_index(path) == [("n00000001", "tench"), ("n00000002", "great_dane")]


@pytest.mark.parametrize("content", ["", "[]x", '["a"]', '{"1": ["n00000001", "a"]}', '{"0": ["tench", "n00000001"]}'])
def test_invalid_class_indexes_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="is not ImageNet's class index"):
        read_class_index(tmp_path / "index.json")


def test_ids_of_synsets() -> None:
    assert [is_synset(name) for name in ("n02084071", "n0208407", "n020840711", "v02084071", "nightgown")] == [
        True,
        False,
        False,
        False,
        False,
    ]
