"""Sub-words: training, decoding and sampling."""

from __future__ import annotations

import ast
import math
import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.store import TokenStore
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.sampling import Lines
from seqvise.corpus.tokens.segmentation import BPEDropout
from seqvise.corpus.tokens.sentencepiece import EvenSample, Pieces, train_pieces
from seqvise.corpus.tokens.tokenizers import normalise
from seqvise.corpus.tokens.vocabulary import EOS, SPECIALS, UNK
from seqvise.errors import UserError
from seqvise.options import option_errors
from tests.corpus.corpora import Pairs, options, paired, tabbed, write_side

SUBWORDS = TokenizerOptions(name="sentencepiece", max_words=60)
WORDS = ["low", "lower", "lowest", "new", "newer", "newest", "wide", "wider", "widest"]
TEXT = [f"{WORDS[a % 9]} {WORDS[a * a % 7]} {WORDS[a // 9 % 9]}" for a in range(81)]
PAIRS: Pairs = [(text.replace("w", "v"), text) for text in TEXT]


def trained(options: TokenizerOptions) -> Pieces:
    return Pieces(train_pieces(TEXT, options, "source"), options.algorithm)


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return trained(SUBWORDS)


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return prepare_corpus(paired(tmp_path, PAIRS), replace(SUBWORDS, sampling=0.5), tmp_path)


def test_the_specials_have_their_ids(pieces: Pieces) -> None:
    assert pieces.names[: len(SPECIALS)] == SPECIALS
    assert len(set(pieces.names)) == len(pieces.names) <= 64


def test_training_is_deterministic() -> None:
    for algorithm in ("unigram", "bpe"):
        chosen = replace(SUBWORDS, algorithm=algorithm)
        assert train_pieces(TEXT, chosen, "source") == train_pieces(TEXT, chosen, "source")


def test_training_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    train_pieces(TEXT, SUBWORDS, "source")
    assert capfd.readouterr() == ("", "")


def test_a_small_text_yields_fewer_pieces() -> None:
    assert 20 < len(trained(replace(SUBWORDS, max_words=8000)).names) < 300


def test_fewer_pieces_than_characters_are_refused_with_the_minimum() -> None:
    minimum = len(set("".join(TEXT)))  # the space counts as the mark of a word start
    message = rf"max_words is 5, but the target text has {minimum} .* set it to at least {minimum}"
    with pytest.raises(UserError, match=message):
        train_pieces(TEXT, replace(SUBWORDS, max_words=5), "target")
    assert len(trained(replace(SUBWORDS, max_words=minimum)).names) == minimum + 4


@settings(deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "dew", "sewn"]), max_size=6).map(" ".join))
def test_split_and_join_restore_the_text(pieces: Pieces, text: str) -> None:
    assert pieces.join(pieces.split(text)) == text


def test_unknown_characters_are_unknown_even_if_they_spell_a_special(pieces: Pieces) -> None:
    assert pieces.split("low ЖЖ").count("<unk>") == 1
    assert pieces.join(pieces.split("low Ж")) == "low <unk>"
    assert "<eos>" not in pieces.split("<eos> <EOS> <unk>")
    assert pieces.join([]) == ""


def segmentations(word: str, names: set[str]) -> list[list[str]]:
    if not word:
        return [[]]
    heads = [word[:end] for end in range(1, len(word) + 1) if word[:end] in names]
    return [[head, *rest] for head in heads for rest in segmentations(word[len(head) :], names)]


def test_draws_have_the_probabilities_of_the_model(pieces: Pieces) -> None:
    processor, alpha = pieces._processor, 0.3
    scores = {name: processor.get_score(index) for index, name in enumerate(pieces.names) if index >= 4}
    candidates = [" ".join(candidate) for candidate in segmentations("▁newest▁lowest", set(scores))]
    weights = [math.exp(alpha * sum(scores[piece] for piece in candidate.split())) for candidate in candidates]
    drawn = Counter(" ".join(pieces.sample("newest lowest", alpha, seed)) for seed in range(4000))
    assert set(drawn) <= set(candidates)
    assert len(candidates) > 4
    for candidate, weight in zip(candidates, weights, strict=True):
        probability = weight / sum(weights)
        assert drawn[candidate] / 4000 == pytest.approx(probability, abs=4 * math.sqrt(probability / 4000) + 1e-3)


def test_merges_are_dropped_as_by_hand() -> None:
    sampler = BPEDropout(dict.fromkeys("▁abc", 0.0) | {"ab": -1.0, "▁ab": -2.0, "bc": -3.0}, 0.5)
    numbers = iter([0.6, 0.4, 0.5])  # ab is merged, bc is dropped; then ▁ab is merged
    assert sampler.split("▁abc", lambda: next(numbers)) == ["▁ab", "c"]
    numbers = iter([0.4, 0.6, 0.9])  # ab is dropped, bc is merged, and ▁, a, bc cannot be merged
    assert sampler.split("▁abc", lambda: next(numbers)) == ["▁", "a", "bc"]


LETTERS = st.text(st.sampled_from("lowernstid Ж"), max_size=30).map(lambda text: " ".join(text.split()))


@settings(deadline=None)
@given(LETTERS)
def test_without_randomness_samples_are_the_most_probable_pieces(text: str) -> None:
    for algorithm, alpha in (("unigram", 1e4), ("bpe", 0.0)):
        pieces = PIECES[algorithm]
        assert pieces.sample(text, alpha, 0) == pieces.split(text)


@settings(deadline=None)
@given(LETTERS, st.integers(0, 2**32 - 1))
def test_sampled_pieces_restore_the_text(text: str, seed: int) -> None:
    for pieces in PIECES.values():
        assert pieces.join(pieces.sample(text, 0.3, seed)) == pieces.join(pieces.split(text))


PIECES = {name: trained(replace(SUBWORDS, algorithm=name)) for name in ("unigram", "bpe")}


@pytest.mark.parametrize("algorithm", PIECES)
def test_a_sample_depends_on_the_seed_alone(algorithm: str) -> None:
    text, pieces = "lowest newest widest", PIECES[algorithm]
    first = [pieces.sample(text, 0.3, seed) for seed in range(20)]
    assert first == [pieces.sample(text, 0.3, seed) for seed in reversed(range(20))][::-1]
    assert len({tuple(pieces_of_seed) for pieces_of_seed in first}) > 3
    program = (
        "import sys, pickle; pieces = pickle.load(sys.stdin.buffer); "
        "print([pieces.sample(sys.argv[1], 0.3, seed) for seed in range(20)])"
    )
    process = subprocess.run([sys.executable, "-c", program, text], input=pickle.dumps(pieces), capture_output=True)
    assert ast.literal_eval(process.stdout.decode()) == first


def test_a_sample_of_lines_is_even_and_bounded() -> None:
    for count, max_lines, expected in ((3, 4, [0, 1, 2]), (5, 4, [0, 2, 4]), (40, 4, [0, 16, 32])):
        sample = EvenSample(max_lines)
        for line in range(count):
            sample.add(str(line))
        assert sample.lines == [str(line) for line in expected]


def test_the_store_holds_the_most_probable_pieces(store: TokenStore) -> None:
    part = store.part("train")
    assert part is not None
    for row, text in enumerate(part.raw_target()):
        assert part.target[row].tolist() == store.target.encode([text])[0].tolist()
        assert store.target.decode(part.target[row]) == text
    assert store.target.vocabulary.words == store.target.pieces.names  # type: ignore[union-attr]
    counted = Counter(store.target.vocabulary.words[index] for row in range(len(part)) for index in part.target[row])
    assert counted["▁"] == store.target.vocabulary.counts[store.target.vocabulary.id("▁")]
    assert store.report.target.tokens == sum(counted.values()) - len(part)


def test_pieces_are_trained_on_the_training_part_alone(tmp_path: Path) -> None:
    data = paired(tmp_path, PAIRS, valid="valid")
    write_side(tmp_path / "valid.fr", ["żółv lov"])
    write_side(tmp_path / "valid.en", ["żółw low"])
    store = prepare_corpus(data, SUBWORDS, tmp_path)
    assert "ż" not in "".join(store.source.vocabulary.words)
    valid = store.part("valid")
    assert valid is not None
    assert (valid.source[0] == UNK).sum() == 1
    assert valid.raw_source() == ["żółv lov"]


def test_one_model_for_both_sides(tmp_path: Path) -> None:
    store = prepare_corpus(tabbed(tmp_path, PAIRS), replace(SUBWORDS, shared=True), tmp_path)
    assert store.source.model == store.target.model
    assert store.source.vocabulary == store.target.vocabulary
    assert "v" in "".join(store.target.vocabulary.words)
    apart = prepare_corpus(tabbed(tmp_path, PAIRS), SUBWORDS, tmp_path)
    assert "v" not in "".join(apart.target.vocabulary.words)


def test_a_codec_survives_a_folder(store: TokenStore, tmp_path: Path) -> None:
    store.source.save(tmp_path / "assets", "source")
    loaded = TextCodec.load(tmp_path / "assets", "source")
    assert loaded == store.source
    assert loaded.decode(loaded.encode(["LOVEST  nevest"])[0]) == "lovest nevest"
    (tmp_path / "assets" / "source.sentencepiece.model").unlink()
    with pytest.raises(UserError, match=r"source\.sentencepiece\.model"):
        TextCodec.load(tmp_path / "assets", "source")


def test_case_can_be_kept(tmp_path: Path) -> None:
    pairs = [(french.title(), english.title()) for french, english in PAIRS]
    store = prepare_corpus(paired(tmp_path, pairs), replace(SUBWORDS, case="keep"), tmp_path)
    assert store.target.decode(store.target.encode(["Low Newer"])[0]) == "Low Newer"


def test_stores_depend_on_all_options_except_sampling(tmp_path: Path) -> None:
    data = paired(tmp_path, PAIRS)
    first = prepare_corpus(data, SUBWORDS, tmp_path)
    drawn = prepare_corpus(data, replace(SUBWORDS, sampling=0.1), tmp_path)
    assert (drawn.path, drawn.sampling, first.sampling) == (first.path, 0.1, None)
    assert drawn.source.options.sampling is None
    others = [replace(SUBWORDS, algorithm="bpe"), replace(SUBWORDS, max_words=40), replace(SUBWORDS, coverage=0.99)]
    assert len({prepare_corpus(data, other, tmp_path).path for other in others} | {first.path}) == 4


def test_new_options_do_not_change_the_fingerprint_of_other_tokenizers() -> None:
    plain = {"name": "words", "case": "lower", "normalise": True, "max_words": 9, "min_count": 1, "shared": False}
    assert TokenizerOptions(name="words", max_words=9, revision=1).shaping() == plain


def test_sampled_sentences_are_those_of_the_store(store: TokenStore) -> None:
    part = store.part("train")
    assert part is not None
    source, target = store.sampled(seed=3)
    assert len(source.lines) == len(part)
    for row in range(0, len(part), 7):
        assert target.codec.decode(target.draw(1, row)) == part.raw_target()[row]
        assert source.codec.decode(source.draw(1, row)) == part.raw_source()[row]
    draws = [target.draw(epoch, 40).tolist() for epoch in range(30)]
    assert draws == [pickle.loads(pickle.dumps(target)).draw(epoch, 40).tolist() for epoch in range(30)]
    assert len({tuple(ids) for ids in draws}) > 3


def test_sampled_sentences_are_truncated_like_the_stored_ones(tmp_path: Path) -> None:
    data = paired(tmp_path, PAIRS, cut_percentile=50.0)
    store = prepare_corpus(data, replace(SUBWORDS, sampling=0.1), tmp_path)
    _, target = store.sampled(seed=0)
    drawn = [target.draw(0, row) for row in range(len(target.lines))]
    assert max(map(len, drawn)) == store.report.target.cut
    assert {int(ids[-1]) for ids in drawn} == {EOS}


def test_lines_of_a_file(tmp_path: Path) -> None:
    write_side(tmp_path / "text", ["où", "", "a\u2028b"])
    lines = Lines(tmp_path / "text")
    assert (len(lines), [lines[row] for row in range(3)]) == (3, ["où", "", "a\u2028b"])


def test_an_empty_corpus_is_refused_before_training_pieces(tmp_path: Path) -> None:
    data = options(tmp_path, "paired", "train", {"questions_only": True})
    paired(tmp_path, PAIRS)
    with pytest.raises(UserError, match=r"no pair left for train .*not a question on both sides 81"):
        prepare_corpus(data, SUBWORDS, tmp_path)


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(UserError, match=r"pip install 'seqvise\[sentencepiece\]'.*tokenizer=words"):
        train_pieces(TEXT, SUBWORDS, "source")


def test_pieces_restore_the_phrasebook(tmp_path: Path) -> None:
    data = DataOptions(name="phrasebook", format="phrasebook", limit=400)
    store = prepare_corpus(data, replace(SUBWORDS, max_words=300), tmp_path)
    test = store.part("test")
    assert test is not None
    known = [row for row in range(len(test)) if not (np.asarray(test.target[row]) == UNK).any()][:50]
    assert len(known) == 50
    assert [store.target.decode(test.target[row]) for row in known] == [
        normalise(test.raw_target()[row]).lower() for row in known
    ]


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({}, []),
        ({"sampling": 0.2, "algorithm": "bpe", "coverage": 0.9995}, []),
        ({"case": "marked"}, ["tokenizer.case is 'marked', but that marks words, and tokenizer.name=sentencepiece"]),
        ({"max_words": None, "min_count": 2}, ["tokenizer.max_words is null", "tokenizer.min_count is 2"]),
        ({"algorithm": "wordpiece"}, ["tokenizer.algorithm is 'wordpiece', but must be one of unigram, bpe."]),
        ({"coverage": 0.0, "sampling": 0.0}, ["tokenizer.coverage is 0.0", "tokenizer.sampling is 0.0"]),
        ({"name": "words", "sampling": 0.1}, ["only tokenizer.name=sentencepiece has several segmentations"]),
    ],
)
def test_invalid_options_are_reported(choices: dict[str, object], expected: list[str]) -> None:
    sentences = list(option_errors(replace(SUBWORDS, **choices), "tokenizer"))  # type: ignore[arg-type]
    assert len(sentences) == len(expected)
    assert all(part in sentence for part, sentence in zip(expected, sentences, strict=True))
