"""Files of documents become ids and labels."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqvise.corpus.documents.options import LabelOptions, StreamOptions, TextOptions
from seqvise.corpus.documents.prepare import prepare_text
from seqvise.corpus.documents.store import TextPart, TextStore
from seqvise.corpus.parallel.tables import BAD_ROW
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.vocabulary import EOS, UNK
from seqvise.errors import UserError
from seqvise.options import option_errors

SPACES = TokenizerOptions(name="spaces", case="keep", normalise=False, max_words=None)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def words(store: TextStore, name: str) -> list[list[str]]:
    part = part_of(store, name)
    return [store.codec.words(part.documents[row]) for row in range(len(part))]


def part_of(store: TextStore, name: str) -> TextPart:
    part = store.part(name)
    assert part is not None
    return part


def lines(folder: Path, **choices: object) -> StreamOptions:
    return StreamOptions(root=str(folder), train="train.txt", **choices)  # type: ignore[arg-type]


def test_lines_become_a_stream_with_eos_after_each(tmp_path: Path) -> None:
    write(tmp_path / "train.txt.gz", "the cat <unk> N\n\n  the   dog\nthe end")
    write(tmp_path / "valid.txt", "the bird\n")
    store = prepare_text(lines(tmp_path, valid="valid.txt"), SPACES, tmp_path)
    the, cat, dog = (store.codec.vocabulary.id(word) for word in ("the", "cat", "dog"))
    number, end = store.codec.vocabulary.id("N"), store.codec.vocabulary.id("end")
    stream = [the, cat, UNK, number, EOS, the, dog, EOS, the, end, EOS]
    assert part_of(store, "train").stream().tolist() == stream
    assert part_of(store, "valid").stream().tolist() == [the, UNK, EOS]
    assert store.report.inputs["train"].dropped == {"an empty document": 1}
    assert store.report.kept == {"train": 3, "valid": 1}
    assert store.part("test") is None


def test_backwards_reverses_each_document_and_keeps_eos_last(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "a b c\nd\ne f\n")
    write(tmp_path / "valid.txt", "a\n")
    forward = prepare_text(lines(tmp_path, valid="valid.txt"), SPACES, tmp_path)
    backward = prepare_text(lines(tmp_path, valid="valid.txt", backwards=True), SPACES, tmp_path)
    assert forward.path == backward.path
    part = part_of(backward, "train")
    tokens = [("<eos>" if index == EOS else backward.codec.vocabulary.words[index]) for index in part.stream()]
    assert tokens == ["c", "b", "a", "<eos>", "d", "<eos>", "f", "e", "<eos>"]
    rows = np.concatenate([part.documents[row] for row in range(len(part))])
    assert part.stream().tolist() == rows.tolist()
    assert np.array_equal(backward.codec.encode(["a b c"])[0], part.documents[0])


def test_html_is_read_as_text(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "good<br /><br />film &amp; more\n")
    write(tmp_path / "valid.txt", "good\n")
    store = prepare_text(lines(tmp_path, valid="valid.txt", html=True), SPACES, tmp_path)
    assert words(store, "train") == [["good", "film", "&", "more"]]


LABELLED = [("pos", "good film"), ("neg", "bad, bad film"), ("pos", "so good")]


def labelled(folder: Path, layout: str) -> TextOptions:
    """The same documents in files of that format."""
    if layout == "tabbed":
        write(folder / "train", "".join(f"7\t{label}\t{text}\n" for label, text in LABELLED))
        write(folder / "valid", "8\tneg\tbad\n")
        return LabelOptions(root=str(folder), train="train", valid="valid", columns=["stars", "label", "text"])
    if layout == "csv":
        write(folder / "train.csv", "review,sense\n" + "".join(f'"{text}",{label}\n' for label, text in LABELLED))
        write(folder / "valid.csv", "sense,review\nneg,bad\n")
        names = {"text": "review", "label": "sense"}
        return LabelOptions(format="csv", root=str(folder), train="train.csv", valid="valid.csv", **names)  # type: ignore[arg-type]
    for number, (label, text) in enumerate(LABELLED):
        write(folder / "train" / label / f"{number}.txt", text.replace(" ", "\n"))
    write(folder / "valid" / "neg" / "0.txt", "bad")
    return LabelOptions(format="folders", root=str(folder), train="train", valid="valid")


@pytest.mark.parametrize("layout", ["tabbed", "csv", "folders"])
def test_labels_belong_to_their_documents_in_every_format(tmp_path: Path, layout: str) -> None:
    store = prepare_text(labelled(tmp_path, layout), TokenizerOptions(name="words"), tmp_path)
    assert store.labels == ("neg", "pos")
    part = part_of(store, "train")
    documents = {
        (" ".join(text), store.labels[label]) for text, label in zip(words(store, "train"), part.labels, strict=True)
    }
    assert documents == {("good film", "pos"), ("bad , bad film", "neg"), ("so good", "pos")}
    assert part_of(store, "valid").labels.tolist() == [0]
    assert store.report.labels["train"] == {"neg": 1, "pos": 2}


def test_text_and_labels_split_off_the_same_documents(tmp_path: Path) -> None:
    rows = [(f"w{n} w{n + 1} w{n + 2}", "ab"[n % 2]) for n in range(300)]
    write(tmp_path / "all.tsv", "".join(f"{label}\t{text}\n" for text, label in rows))
    stream = StreamOptions(format="tabbed", root=str(tmp_path), train="all.tsv", seed=3)
    labels = LabelOptions(root=str(tmp_path), train="all.tsv", seed=3, limit=100)
    unlabelled, labelled_store = (prepare_text(options, SPACES, tmp_path) for options in (stream, labels))
    assert 10 < len(part_of(unlabelled, "valid")) < 60
    assert len(part_of(unlabelled, "train")) + len(part_of(unlabelled, "valid")) == 300
    assert len(part_of(labelled_store, "train")) == 100
    known = set(labelled_store.codec.vocabulary.words)
    expected = [[word if word in known else "<unk>" for word in text] for text in words(unlabelled, "valid")]
    assert words(labelled_store, "valid") == expected


@pytest.mark.parametrize("kind", [StreamOptions, LabelOptions])
def test_a_limit_draws_from_all_of_a_file_sorted_by_label(tmp_path: Path, kind: type[TextOptions]) -> None:
    rows = [("neg", f"w{n}") for n in range(200)] + [("pos", f"v{n}") for n in range(200)]
    write(tmp_path / "all.tsv", "".join(f"{label}\t{text}\n" for label, text in rows))

    def kept(limit: int, choice: str = "random") -> list[str]:
        options = kind(format="tabbed", root=str(tmp_path), train="all.tsv", limit=limit, limit_choice=choice)
        return [word for document in words(prepare_text(options, SPACES, tmp_path), "train") for word in document]

    few, more = kept(30), kept(90)
    assert (len(few), len(more)) == (30, 90)
    assert set(few) < set(more)
    assert 5 < sum(word.startswith("w") for word in few) < 25
    if kind is StreamOptions:  # the first documents have one label
        assert all(word.startswith("w") for word in kept(30, "first"))


def test_sub_words_are_found_in_the_training_part(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    options = TokenizerOptions(name="sentencepiece", max_words=60)
    store = prepare_text(StreamOptions(format="phrasebook", limit=50), options, tmp_path)
    text = store.codec.decode(part_of(store, "train").documents[0])
    assert text.endswith("?")
    assert len(store.codec.vocabulary) <= 64


def refused(options: TextOptions, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        prepare_text(options, SPACES, folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pos\tgood\n\tbad\n", "train.tsv, line 2 has no label"),
        ("pos\tgood\n\u200b\tbad\n", "train.tsv, line 2 has no label"),
        ("pos\tgood\nneg\t \n", "train.tsv, line 2 is a document without a word"),
        ("pos\tgood\nneg\n", "train.tsv, line 2 has 1 field ('neg'), but must have 2"),
        (
            "pos\tgood\nneg\tbad\tbut short\n",
            "line 2 has 3 fields ('neg | bad | but short'), but must have 2",
        ),
        ("pos\tgood\rneg\tbad\r", "ends its lines with carriage returns"),
        ("pos\tgood\npos\tfine\n", "has the label 'pos', but a classifier needs at least two labels"),
        ("pos\tgood\nbad\tbad\n", "labels that the training part lacks: neg"),
        ("", "no document left for train"),
    ],
)
def test_unusable_documents_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    write(tmp_path / "train.tsv", text)
    write(tmp_path / "valid.tsv", "neg\tbad\n")
    assert sentence in refused(LabelOptions(root=str(tmp_path), train="train.tsv", valid="valid.tsv"), tmp_path)


@pytest.mark.parametrize("layout", ["tabbed", "csv"])
def test_a_document_with_the_wrong_number_of_fields_is_skipped_on_request(tmp_path: Path, layout: str) -> None:
    rows = [("label", "text"), ("pos", "so good"), ("neg", "bad", "but short"), ("neg", "bad"), ("pos",)]
    mark = "\t" if layout == "tabbed" else ","
    write(tmp_path / "train", "".join(f"{mark.join(row)}\n" for row in rows[layout == "tabbed" :]))
    write(tmp_path / "valid", f"label{mark}text\n" * (layout == "csv") + f"pos{mark}good\n")
    options = LabelOptions(format=layout, root=str(tmp_path), train="train", valid="valid", on_bad="skip")
    store = prepare_text(options, SPACES, tmp_path)
    assert words(store, "train") == [["so", "good"], ["bad"]]
    tally = store.report.inputs["train"]
    assert (tally.read, tally.dropped) == (4, {BAD_ROW: 2})
    line = 2 + (layout == "csv")
    assert f"train, line {line} has 3 fields" in refused(replace(options, on_bad="refuse"), tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    assert "train.txt" in refused(lines(tmp_path), tmp_path)
    folders = LabelOptions(format="folders", root=str(tmp_path), train="none")
    assert "contains no .txt file" in refused(folders, tmp_path)
    write(tmp_path / "flat" / "a.txt", "a")
    flat = LabelOptions(format="folders", root=str(tmp_path), train="flat")
    assert "has no label: it must be in a folder" in refused(flat, tmp_path)


def test_invalid_options_are_reported() -> None:
    sentences = list(option_errors(StreamOptions(root="r", bptt=3, bptt_least=5, bptt_halved=2, batch_size=0), "data"))
    assert [sentence.split(" ")[0] for sentence in sentences] == [
        "data.train",
        "data.batch_size",
        "data.bptt_least",
        "data.bptt_halved",
    ]
    columns = list(option_errors(LabelOptions(root="r", train="t", columns=["a", "text"], text="text"), "data"))
    assert len(columns) == 1
    assert "data.label is 'label'" in columns[0]
    (no_labels,) = option_errors(LabelOptions(root="r", train="t", format="lines"), "data")
    assert "has no labels" in no_labels
