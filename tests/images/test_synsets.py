"""Tables of labels and their synsets."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqvise.errors import UserError
from seqvise.images.wordnet import caltech101, is_synset, synset_table


def test_the_table_has_all_folders_of_caltech_101() -> None:
    table = caltech101()
    assert len(table) == 102
    assert [name for name, synset in table.items() if not synset] == ["BACKGROUND_Google", "garfield", "yin_yang"]
    assert all(is_synset(synset) for synset in table.values() if synset)
    assert (table["dalmatian"], table["car_side"], table["crocodile_head"]) == ("n02110341", "n02958343", "n01697178")


def test_the_built_in_table_is_for_labels_that_are_all_in_it() -> None:
    assert synset_table(None, ["faces", "Dalmatian"]) == {"faces": "n05600637", "Dalmatian": "n02110341"}
    assert synset_table(None, ["faces", "dalmatian", "my own"]) == {}


def test_a_custom_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("Bass\tn02803349\r\n\nnothing\t\nother\tn00000001\n", encoding="utf-8")
    assert synset_table(path, ["bass", "nothing", "chair"]) == {"bass": "n02803349", "nothing": ""}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("bass n02803349\n", "line 1 is 'bass n02803349'"),
        ("a\tn00000001\nb\tdog\n", "line 2 is"),
        ("a\tn00000001\na\tn00000002\n", "line 2: 'a' is a duplicate"),
    ],
)
def test_damaged_files_are_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.tsv") as caught:
        synset_table(tmp_path / "mine.tsv", ["a"])
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.tsv cannot be read"):
        synset_table(tmp_path / "gone.tsv", ["a"])
