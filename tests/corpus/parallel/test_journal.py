from pathlib import Path

import pytest

from seqvise.corpus.parallel.journal import Journal, StaleJournalError


def test_files_are_cut_back_to_the_last_commit(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.state == {}
    file = journal.open("folder/words")
    file.write(b"one\n")
    journal.commit({"count": 1})
    file.write(b"two\n")
    journal.close()
    assert (tmp_path / "folder" / "words").read_bytes() == b"one\ntwo\n"

    again = Journal(tmp_path)
    assert again.state == {"count": 1}
    file = again.open("folder/words")
    assert file.tell() == 4
    file.write(b"three\n")
    again.commit({"count": 2})
    again.close()
    assert (tmp_path / "folder" / "words").read_bytes() == b"one\nthree\n"
    assert Journal(tmp_path).state == {"count": 2}


def test_a_file_that_was_never_committed_begins_empty(tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(b"left by a killed process")
    journal = Journal(tmp_path)
    assert journal.open("words").tell() == 0
    journal.close()
    assert (tmp_path / "words").read_bytes() == b""


def test_a_file_shorter_than_committed_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open("words").write(b"one\n")
    journal.commit({})
    journal.close()
    (tmp_path / "words").write_bytes(b"on")
    with pytest.raises(StaleJournalError, match="shorter than 4 bytes"):
        Journal(tmp_path).open("words")


@pytest.mark.parametrize("record", ["", "[]", '{"sizes": 3, "state": {}}', '{"state": {}}'])
def test_a_damaged_record_is_refused(tmp_path: Path, record: str) -> None:
    (tmp_path / "journal.json").write_text(record)
    with pytest.raises(StaleJournalError):
        Journal(tmp_path)
