"""Unknown words are replaced by the aligned source words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqvise.decoding.unknown import attended_positions, read_table, replace_unknown
from seqvise.errors import UserError
from seqvise.models.interface import EOS, PAD, UNK
from tests.decoding import tiny

SOURCE = ["Zoé", "vit", "à", "Brno"]


def test_a_word_is_copied_or_looked_up() -> None:
    words, unknown = ["<unk>", "lives", "in", "<unk>", "<eos>"], [True, False, False, True, False]
    assert replace_unknown(words, unknown, [0, 1, 2, 3, 3], SOURCE, {}) == ["Zoé", "lives", "in", "Brno", "<eos>"]
    assert replace_unknown(words, unknown, [0, 1, 2, 3, 3], SOURCE, {"Brno": "Brünn"})[3] == "Brünn"


def test_a_word_with_no_source_stays_unknown() -> None:
    assert replace_unknown(["<unk>"], [True], [4], SOURCE, {}) == ["<unk>"]


def test_the_position_has_the_most_attention_and_is_never_the_end() -> None:
    model, source = tiny.model(12, 3), [5, 6, 7, EOS]
    tokens = torch.tensor([[[4, UNK, 5, UNK, EOS]], [[4, 4, EOS, PAD, PAD]]])
    positions = attended_positions(model, tiny.batch([source, source]), tokens)
    with torch.no_grad():
        before, after = (tiny.log_prob_of(model, source, words)[1] for words in ((4,), (4, UNK)))
    assert int(positions[0, 0, 1]) == int((after - before)[:3].argmax())
    assert not positions[1].any()


def test_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("Brno\tBrünn\nNew York\tNY\n", encoding="utf-8")
    assert read_table(str(tmp_path / "table")) == {"Brno": "Brünn", "New York": "NY"}
    assert read_table("copy") == {}
    assert read_table("keep") is None
    (tmp_path / "table").write_text("Brno\tBrünn\nBrno Brünn\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2"):
        read_table(str(tmp_path / "table"))
    with pytest.raises(UserError, match=r"unknown=.*nowhere cannot be read"):
        read_table(str(tmp_path / "nowhere"))
