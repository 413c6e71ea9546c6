import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.corpus.parallel.filters import COPY, DUPLICATE, EMPTY, NUL, QUESTION, RATIO, SCRIPT, WIDE, Filters
from seqvise.corpus.parallel.options import DataOptions, SideScripts
from seqvise.corpus.parallel.readers import Block, Pair
from seqvise.corpus.parallel.report import FilterCounts

PAIRS: list[Pair] = [
    ("Qui est là ? Moi.", "Who is there? Me."),
    ("Qui est là ?", "Who is there?"),
    ("Est-ce vrai ?", "Is it true?"),
    ("", "Who?"),
    ("Oui. Qui ?", "Who?"),
    ("Oui", "Yes"),
    ("Oui", "Yes"),
]


def kept(
    data: DataOptions, evaluation: bool = False, pairs: list[Pair] = PAIRS, size: int = 3
) -> tuple[list[Pair], FilterCounts]:
    """The pairs that pass, and the counts. size: pairs per block."""
    tally, filters = FilterCounts(), Filters(data, evaluation)
    kept_pairs: list[Pair] = []
    for start in range(0, len(pairs), size):
        sources, targets = map(list, zip(*pairs[start : start + size], strict=True))
        kept_pairs += filters.keep(Block(sources, targets), tally).pairs()
    return kept_pairs, tally


def test_questions_are_shortened_to_the_match_before_repeats_are_dropped() -> None:
    pairs, tally = kept(DataOptions(questions_only=True))
    assert pairs == [("Qui est là ?", "Who is there?")]
    assert tally == FilterCounts(7, {QUESTION: 5, DUPLICATE: 1})


def test_configured_patterns_may_have_no_group() -> None:
    patterns = {"fr": r"^Est.*\?", "en": r"^(?:Is) ([^?]*)"}
    pairs, _ = kept(DataOptions(questions_only=True, question_patterns=patterns))
    assert pairs == [("Est-ce vrai ?", "it true")]


def test_empty_sides_and_repeats_are_counted() -> None:
    pairs, tally = kept(DataOptions())
    assert len(pairs) == 5
    assert tally == FilterCounts(7, {EMPTY: 1, DUPLICATE: 1})
    assert tally.summary() == "7 pairs read; dropped: an empty side 1, a repeated pair 1"


def test_an_evaluation_part_keeps_its_repeats() -> None:
    assert len(kept(DataOptions(), evaluation=True)[0]) == 6
    assert len(kept(DataOptions(deduplicate=False))[0]) == 6


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))), st.integers(1, 5), st.booleans())
def test_the_first_of_each_pair_is_kept(pairs: list[Pair], size: int, exact: bool) -> None:
    kept_pairs, tally = kept(DataOptions(exact_duplicates=exact), pairs=pairs, size=size)
    assert kept_pairs == list(dict.fromkeys(pairs))
    assert tally.dropped.get(DUPLICATE, 0) == len(pairs) - len(kept_pairs)


def test_long_lines_and_nul_bytes_are_dropped_from_every_part() -> None:
    pairs = [("abcde", "abcde"), ("abcdef", "a"), ("a", "abcdef"), ("a\0", "b"), ("a", "\0")]
    for evaluation in (False, True):
        kept_pairs, tally = kept(DataOptions(max_characters=5, drop_copies=False), evaluation, pairs)
        assert kept_pairs == [("abcde", "abcde")]
        assert tally.dropped == {WIDE: 2, NUL: 2}
    assert len(kept(DataOptions(max_characters=None), pairs=pairs)[0]) == 3


def test_a_copy_is_noticed_or_dropped() -> None:
    pairs = [("Paris", "Paris"), ("oui", "yes"), ("non", "non")]
    kept_pairs, tally = kept(DataOptions(), pairs=pairs)
    assert (kept_pairs, tally) == (pairs, FilterCounts(3, {}, {COPY: 2}))
    assert tally.summary() == "3 pairs read; dropped: none; noticed: one side a copy of the other 2"
    assert kept(DataOptions(drop_copies=True), pairs=pairs) == ([("oui", "yes")], FilterCounts(3, {COPY: 2}))
    assert kept(DataOptions(drop_copies=True), evaluation=True, pairs=pairs) == (pairs, FilterCounts(3))


def test_the_ratio_is_of_characters_and_of_both_directions() -> None:
    pairs = [("a" * 6, "b" * 3), ("a" * 7, "b" * 3), ("a" * 2, "b" * 5), ("a" * 2, "b" * 4)]
    assert kept(DataOptions(max_ratio=2.0), pairs=pairs) == ([pairs[0], pairs[3]], FilterCounts(4, {RATIO: 2}))
    assert kept(DataOptions(max_ratio=2.0), evaluation=True, pairs=pairs)[0] == pairs


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        (SideScripts(source=["latin"]), [0, 3, 4, 5]),
        (SideScripts(target=["cyrillic"]), [1, 2, 3, 4, 5]),
        (SideScripts(source=["latin", "han", "hiragana"], target=["latin"]), [0, 2, 3]),
        (SideScripts(source=["hebrew"], target=["cyrillic"]), [1, 3]),
    ],
)
def test_half_of_the_letters_must_be_of_the_scripts(scripts: SideScripts, expected: list[int]) -> None:
    pairs = [
        ("Où est-ce ?", "Where"),
        ("שלום", "Привет"),
        ("漢字かな", "да no"),
        ("😀 12!", "…"),
        ("Ça va, Саша", "да"),
        ("ﬁn", "ok, мир"),
    ]
    kept_pairs, tally = kept(DataOptions(scripts=scripts), pairs=pairs)
    assert kept_pairs == [pairs[index] for index in expected]
    assert tally.dropped == {SCRIPT: len(pairs) - len(expected)}
