import pytest

from seqvise.corpus.parallel.languages import PAIRS, LanguageCheck
from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.readers import Pair
from seqvise.corpus.phrasebook.corpus import phrasebook_pairs

FRENCH = "où est la clé que vous avez et qui est dans les rues avec elle"
ENGLISH = "where is the key that you have and who is in the streets with her"


def warnings(pairs: list[Pair], **choices: str) -> list[str]:
    check = LanguageCheck(DataOptions(**choices))  # type: ignore[arg-type]
    check.update(pairs)
    return list(check.warnings())


def test_the_phrasebook_is_recognised_in_both_directions() -> None:
    pairs = list(phrasebook_pairs())
    assert warnings(pairs) == []
    assert warnings([(english, french) for french, english in pairs], source="en", target="fr") == []
    (warning,) = warnings(pairs, source="en", target="fr")
    assert warning.startswith("The sides look swapped: the first pairs read like fr in the source")


def test_a_side_in_the_other_language_is_named() -> None:
    (warning,) = warnings([(ENGLISH, ENGLISH)] * 9)
    assert warning == "The source side should be fr, but its first lines read like en: check data.source."
    (warning,) = warnings([(FRENCH, FRENCH)] * 9)
    assert warning.startswith("The target side should be en, but its first lines read like fr")


@pytest.mark.parametrize(
    "choices",
    [{"source": "he"}, {"source": "ja", "target": "en"}, {"source": "x", "target": "y"}, {"source_language": "th"}],
)
def test_unknown_languages_have_no_warning(choices: dict[str, str]) -> None:
    assert warnings([(ENGLISH, FRENCH)] * 99, **choices) == []


def test_few_words_and_late_pairs_do_not_count() -> None:
    assert warnings([("the", "le"), ("שלום לך", "日本語のテキスト"), ("مرحبا", "😀")] * 9) == []
    assert warnings([("1", "2")] * PAIRS + [(ENGLISH, FRENCH)] * 99) == []
    check = LanguageCheck(DataOptions())
    for _ in range(PAIRS // 10 + 1):
        check.update([("1", "2")] * 10)
    check.update([(ENGLISH, FRENCH)] * 99)
    assert list(check.warnings()) == []
