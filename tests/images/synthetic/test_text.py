"""The text about the built-in pictures, and the word vectors trained on it."""

from collections import Counter
from functools import partial
from itertools import chain, pairwise

import numpy as np
import pytest

from seqvise.images.synthetic import text as pictures_vectors
from seqvise.images.synthetic.classes import CLASSES, NAMES
from seqvise.images.synthetic.text import QUALITIES, THINGS, pictures_text
from seqvise.vectors.lexicon import Lexicon
from seqvise.vectors.options import TrainedOptions, VectorOptions


@pytest.fixture(scope="module")
def sentences() -> list[list[str]]:
    return list(pictures_text(8800))


def test_every_quality_and_thing_is_told_of_and_no_other() -> None:
    assert set(THINGS) == {one.thing for one in CLASSES}
    assert set(QUALITIES) == {one.quality for one in CLASSES}


def test_no_two_traits_share_a_word_of_their_own() -> None:
    """Otherwise a word would stand between classes that have nothing in common."""
    kinds = [word for trait in (*THINGS.values(), *QUALITIES.values()) for word in (*trait.kinds, *trait.features)]
    assert sorted(kinds) == sorted(set(kinds))


def test_the_text_is_always_the_same(sentences: list[list[str]]) -> None:
    assert list(pictures_text(500)) == sentences[:500]
    assert sum(1 for _ in pictures_text()) == 40_000


def test_every_class_is_told_of_about_as_often(sentences: list[list[str]]) -> None:
    counts = Counter(chain.from_iterable(sentences))
    found = [counts[name] for name in NAMES]
    assert min(found) > 150
    assert max(found) < 1.5 * min(found)


def test_a_class_is_told_of_with_words_of_its_quality_and_thing_only(sentences: list[list[str]]) -> None:
    for sentence in sentences:
        named = [one for one in CLASSES if one.name in sentence]
        words = {
            feature for one in named for feature in (*THINGS[one.thing].features, *QUALITIES[one.quality].features)
        }
        strangers = {feature for trait in (*THINGS.values(), *QUALITIES.values()) for feature in trait.features} - words
        if named:
            assert not strangers & set(sentence), " ".join(sentence)


def test_an_stands_before_a_vowel(sentences: list[list[str]]) -> None:
    pairs = {pair for sentence in sentences for pair in pairwise(sentence)}
    assert ("an", "engine_boat") in pairs
    assert not [pair for pair in pairs if (pair[0] == "a") == (pair[1][0] in "aeiou") and pair[0] in ("a", "an")]


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> Lexicon:
    pytest.importorskip("fasttext")
    cache = tmp_path_factory.mktemp("cache")
    options = VectorOptions(name="trained", dim=40, trained=TrainedOptions(epochs=40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures_vectors, "pictures_text", partial(pictures_text, 8000))
        file = pictures_vectors.vectors_file(options, cache)
        assert pictures_vectors.vectors_file(options, cache) == file, "they are trained once"
    return Lexicon.read(file, cache)


def test_vectors_put_a_class_between_its_quality_and_its_thing(lexicon: Lexicon) -> None:
    classes = _units(lexicon, list(NAMES))
    sums = _units(lexicon, [one.quality for one in CLASSES]) + _units(lexicon, [one.thing for one in CLASSES])
    found = [NAMES[place] for place in (sums @ classes.T).argmax(1)]
    assert sum(name == one.name for name, one in zip(found, CLASSES, strict=True)) >= 40


def test_words_come_by_their_frequency(lexicon: Lexicon) -> None:
    counts = Counter(chain.from_iterable(pictures_text(8000)))
    found = [counts[word] for word in lexicon.words]
    assert found == sorted(found, reverse=True)
    assert len(found) == len(counts)


def _units(lexicon: Lexicon, words: list[str]) -> np.ndarray:
    return lexicon.units([row for word in words if (row := lexicon.row(word)) is not None])
