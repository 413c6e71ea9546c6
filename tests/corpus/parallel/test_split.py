import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqvise.corpus.limit import unit_hash
from seqvise.corpus.parallel.filters import choose_part
from seqvise.corpus.parallel.options import DataOptions


def test_shares_of_the_parts() -> None:
    sentences = [f"sentence {n}" for n in range(10_000)]
    parts = [choose_part(sentence, DataOptions(format="phrasebook")) for sentence in sentences]
    assert 900 < parts.count("valid") < 1100
    assert 900 < parts.count("test") < 1100
    assert parts.count("train") == 10_000 - parts.count("valid") - parts.count("test")


def test_a_file_of_pairs_gives_no_test_part() -> None:
    assert {choose_part(f"{n}", DataOptions(valid_fraction=0.5)) for n in range(100)} == {"train", "valid"}


def test_the_choice_is_the_same_everywhere() -> None:
    assert [unit_hash(text, 0) for text in ("a", "B")] == pytest.approx([0.184606930992, 0.458244639889], abs=1e-12)


@given(st.text(), st.integers(0, 2**63 - 1))
def test_the_hash_is_in_the_unit_interval_and_ignores_case_and_spaces(text: str, seed: int) -> None:
    hashed = unit_hash(text, seed)
    assert 0 <= hashed < 1
    assert unit_hash(f"  {text.lower()}\u00a0 ", seed) == hashed


def test_another_seed_is_another_choice() -> None:
    assert unit_hash("a", 1) != unit_hash("a", 0)
