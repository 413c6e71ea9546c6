from seqvise.corpus.filters import DUPLICATE, EMPTY, QUESTION, Tally, keep_pairs
from seqvise.corpus.options import DataOptions
from seqvise.corpus.readers import Pair

PAIRS = [
    Pair("Qui est là ? Moi.", "Who is there? Me."),
    Pair("Qui est là ?", "Who is there?"),
    Pair("Est-ce vrai ?", "Is it true?"),
    Pair("", "Who?"),
    Pair("Oui. Qui ?", "Who?"),
    Pair("Oui", "Yes"),
    Pair("Oui", "Yes"),
]


def kept(data: DataOptions, whole: bool = False) -> tuple[list[Pair], Tally]:
    tally = Tally()
    return list(keep_pairs(iter(PAIRS), data, tally, whole)), tally


def test_of_a_question_only_the_match_is_kept_and_repeats_are_dropped_after() -> None:
    pairs, tally = kept(DataOptions(questions_only=True))
    assert pairs == [Pair("Qui est là ?", "Who is there?")]
    assert tally == Tally(7, {QUESTION: 5, DUPLICATE: 1})


def test_patterns_of_ones_own_may_have_no_group() -> None:
    patterns = {"fr": r"^Est.*\?", "en": r"^(?:Is) ([^?]*)"}
    pairs, _ = kept(DataOptions(questions_only=True, question_patterns=patterns))
    assert pairs == [Pair("Est-ce vrai ?", "it true")]


def test_empty_sides_and_repeats_are_counted() -> None:
    pairs, tally = kept(DataOptions())
    assert len(pairs) == 5
    assert tally == Tally(7, {EMPTY: 1, DUPLICATE: 1})
    assert tally.summary() == "7 pairs read; dropped: an empty side 1, a repeated pair 1"


def test_a_whole_part_keeps_its_repeats() -> None:
    assert len(kept(DataOptions(), whole=True)[0]) == 6
    assert len(kept(DataOptions(deduplicate=False))[0]) == 6
