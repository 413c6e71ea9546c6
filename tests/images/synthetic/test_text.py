"""The text about the built-in pictures, and word vectors trained on it."""

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


def test_the_text_covers_exactly_the_qualities_and_things() -> None:
    assert set(THINGS) == {picture_class.thing for picture_class in CLASSES}
    assert set(QUALITIES) == {picture_class.quality for picture_class in CLASSES}


def test_traits_share_no_kinds_or_features() -> None:
    """Otherwise a shared word would bring unrelated classes nearer to each other."""
    kinds = [word for trait in (*THINGS.values(), *QUALITIES.values()) for word in (*trait.kinds, *trait.features)]
    assert sorted(kinds) == sorted(set(kinds))


def test_the_text_is_deterministic(sentences: list[list[str]]) -> None:
    assert list(pictures_text(500)) == sentences[:500]
    assert sum(1 for _ in pictures_text()) == 40_000


def test_classes_are_about_equally_frequent(sentences: list[list[str]]) -> None:
    counts = Counter(chain.from_iterable(sentences))
    frequencies = [counts[name] for name in NAMES]
    assert min(frequencies) > 150
    assert max(frequencies) < 1.5 * min(frequencies)


def test_a_class_occurs_only_with_features_of_its_quality_and_thing(sentences: list[list[str]]) -> None:
    for sentence in sentences:
        named = [picture_class for picture_class in CLASSES if picture_class.name in sentence]
        words = {
            feature
            for picture_class in named
            for feature in (*THINGS[picture_class.thing].features, *QUALITIES[picture_class.quality].features)
        }
        others = {feature for trait in (*THINGS.values(), *QUALITIES.values()) for feature in trait.features} - words
        if named:
            assert not others & set(sentence), " ".join(sentence)


def test_an_precedes_a_vowel(sentences: list[list[str]]) -> None:
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


def test_the_vector_of_a_class_is_between_its_quality_and_its_thing(lexicon: Lexicon) -> None:
    classes = _units(lexicon, list(NAMES))
    sums = _units(lexicon, [picture_class.quality for picture_class in CLASSES]) + _units(
        lexicon, [picture_class.thing for picture_class in CLASSES]
    )
    nearest = [NAMES[index] for index in (sums @ classes.T).argmax(1)]
    assert sum(name == picture_class.name for name, picture_class in zip(nearest, CLASSES, strict=True)) >= 40


def test_words_are_sorted_by_frequency(lexicon: Lexicon) -> None:
    counts = Counter(chain.from_iterable(pictures_text(8000)))
    frequencies = [counts[word] for word in lexicon.words]
    assert frequencies == sorted(frequencies, reverse=True)
    assert len(frequencies) == len(counts)


def _units(lexicon: Lexicon, words: list[str]) -> np.ndarray:
    return lexicon.units([row for word in words if (row := lexicon.row(word)) is not None])
