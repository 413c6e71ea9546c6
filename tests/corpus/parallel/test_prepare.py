import io
import json
import multiprocessing
import resource
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqvise.corpus.limit import LowestRanks, lowest
from seqvise.corpus.parallel import fingerprint, ingest
from seqvise.corpus.parallel.filters import COPY, DUPLICATE, EMPTY, LIMIT, LONG, NOT_DRAWN, NUL, WIDE, choose_part
from seqvise.corpus.parallel.journal import Journal
from seqvise.corpus.parallel.options import DataOptions, SideLimits
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.readers import REPLACED, RETURNS
from seqvise.corpus.parallel.report import CorpusReport, FilterCounts
from seqvise.corpus.parallel.store import CorpusPart, TokenColumn, TokenStore
from seqvise.corpus.parallel.tokenize_parallel import Batch, TokenizedBatch, tokenize_batches
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.tokenizers import build_tokenizer, fold, normalise
from seqvise.corpus.tokens.vocabulary import EOS, SPECIALS
from seqvise.errors import UserError
from tests.corpus.corpora import WORDS, Pairs, numbered, paired, tabbed, write_side

PIECES = TokenizerOptions(name="sentencepiece", max_words=80)


def rows(column: TokenColumn) -> list[list[int]]:
    return [column[row].tolist() for row in range(len(column))]


def part(store: TokenStore, name: str) -> CorpusPart:
    corpus_part = store.part(name)
    assert corpus_part is not None
    return corpus_part


def train_targets(store: TokenStore) -> list[str]:
    return [store.target.decode(ids) for ids in rows(part(store, "train").target)]


def expected_ids(pairs: Pairs, side: int, language: str, data: DataOptions) -> dict[str, list[list[int]]]:
    """The ids of each part, computed in plain Python; all pairs must be distinct, and nothing is filtered or cut."""
    tokenizer = build_tokenizer(WORDS, language)
    parts: dict[str, list[list[str]]] = {"train": [], "valid": []}
    for pair in pairs:
        parts[choose_part(fold(pair[1]), data)].append(next(tokenizer.tokenize([pair[side]])).words)
    counts: dict[str, int] = {}
    for words in parts["train"]:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[: WORDS.max_words]
    ids = {word: index for index, word in enumerate([*SPECIALS, *ranked])}
    return {name: [[ids.get(w, 3) for w in words] + [EOS] for words in part] for name, part in parts.items()}


ODD_WORDS = ["a", "b", "c", "où", "l'eau", "est-ce", "Tom", "?", ",", "12", "“x”"]
SENTENCE = st.lists(st.sampled_from(ODD_WORDS), min_size=1, max_size=6).map(" ".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.tuples(SENTENCE, SENTENCE), unique=True, max_size=20))
def test_the_store_holds_the_expected_ids(tmp_path_factory: pytest.TempPathFactory, pairs: Pairs) -> None:
    tmp_path = tmp_path_factory.mktemp("corpus")
    data = paired(tmp_path, pairs, valid_fraction=0.4)
    expected = [expected_ids(pairs, side, language, data) for side, language in enumerate(("fr", "en"))]
    if not expected[0]["train"] or not expected[0]["valid"]:
        with pytest.raises(UserError, match="no pair left"):
            prepare_corpus(data, WORDS, tmp_path)
        return
    store = prepare_corpus(data, WORDS, tmp_path)
    for name in ("train", "valid"):
        assert rows(part(store, name).source) == expected[0][name]
        assert rows(part(store, name).target) == expected[1][name]
    raw = [pair for pair in pairs if choose_part(pair[1], data) == "valid"]
    assert list(zip(part(store, "valid").raw_source(), part(store, "valid").raw_target(), strict=True)) == raw


def test_raw_text_is_the_text_as_read(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(3), valid="valid", test="test")
    write_side(tmp_path / "valid.fr", ["“Où”\u2028est\u202f?", "x", "x"])
    write_side(tmp_path / "valid.en", ["Where IS it…", "y", "y"])
    write_side(tmp_path / "test.fr", ["il y a"])
    write_side(tmp_path / "test.en", ["there are"])
    store = prepare_corpus(data, WORDS, tmp_path)
    valid, test = part(store, "valid"), part(store, "test")
    assert valid.raw_source() == ["“Où” est ?", "x", "x"]
    assert valid.raw_target() == ["Where IS it…", "y", "y"]
    assert store.source.decode(test.source[0]) == "il y a"
    assert store.report.kept == {"train": 3, "valid": 3, "test": 1}
    with pytest.raises(ValueError, match="no raw text"):
        part(store, "train").raw_source()


def test_without_a_test_file_there_is_no_test_part(tmp_path: Path) -> None:
    store = prepare_corpus(tabbed(tmp_path, numbered(40)), WORDS, tmp_path)
    assert store.part("test") is None
    assert part(store, "train").source.lengths.tolist() == [len(ids) for ids in rows(part(store, "train").source)]


def test_validation_does_not_move_with_the_limit_nor_with_the_order(tmp_path: Path) -> None:
    pairs = [*numbered(60), ("encore", "there are 7 cats here."), ("bis", "There are  7 cats here.")]
    texts = []
    for limit, order in ((None, pairs), (5, pairs), (20, pairs[::-1])):
        store = prepare_corpus(tabbed(tmp_path, order, limit=limit), WORDS, tmp_path)
        texts.append(sorted(part(store, "valid").raw_target()))
        assert len(part(store, "train")) == (limit or len(pairs) - len(texts[0]))
    assert texts[0] == texts[1] == texts[2]
    assert not {text.lower() for text in texts[0]} & set(train_targets(store))


@pytest.mark.parametrize("tokenizer", [WORDS, PIECES], ids=["words", "pieces"])
def test_a_limit_draws_from_all_of_a_sorted_file_and_a_larger_one_keeps_the_draw(
    tmp_path: Path, tokenizer: TokenizerOptions
) -> None:
    if tokenizer is PIECES:
        pytest.importorskip("sentencepiece")
    pairs = [(f"{'mot ' * (n // 40)}{n}", f"{'word ' * (n // 40)}{n}") for n in range(400)]  # sorted by length
    everything = set(train_targets(prepare_corpus(paired(tmp_path, pairs), WORDS, tmp_path)))
    chosen = []
    for limit, order in ((40, pairs), (80, pairs), (80, pairs[::-1])):
        store = prepare_corpus(paired(tmp_path, order, limit=limit), tokenizer, tmp_path)
        assert store.report.kept["train"] == limit
        assert store.report.read == sum(store.report.kept.values()) + sum(store.report.dropped.values())
        chosen.append({store.target.decode(ids) for ids in rows(part(store, "train").target)})
        lengths = part(store, "train").source.lengths
        assert lengths.min() < 4
        assert lengths.max() > 8
    assert chosen[0] < chosen[1] == chosen[2] < everything


def test_the_first_pairs_are_taken_on_request_under_the_former_fingerprint(tmp_path: Path) -> None:
    pairs = numbered(90)
    kept = train_targets(prepare_corpus(paired(tmp_path, pairs), WORDS, tmp_path))
    drawn, first = (
        prepare_corpus(paired(tmp_path, pairs, limit=9, limit_choice=choice), WORDS, tmp_path)
        for choice in ("random", "first")
    )
    assert train_targets(first) == kept[:9] != train_targets(drawn)
    assert first.manifest["identity"].keys() == drawn.manifest["identity"].keys() - {"limit_choice"}


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 20), st.integers(0, 60))
def test_the_lowest_ranks_are_known_while_they_arrive(ranks: list[int], limit: int, interruption: int) -> None:
    arrived: list[float] = []
    lowest_ranks = LowestRanks(limit, np.array(arrived))
    for n, rank in enumerate(ranks):
        if n == interruption:
            lowest_ranks = LowestRanks(limit, np.array(arrived))
        may_keep = len(arrived) < limit or rank < sorted(arrived)[limit - 1]
        assert lowest_ranks.may_keep(rank) == may_keep
        if may_keep:
            lowest_ranks.add(rank)
            arrived.append(rank)
    kept = lowest(np.array(arrived), limit)
    assert sorted(np.array(arrived)[kept].tolist()) == sorted(ranks)[:limit]


def test_filters_are_counted_and_limits_count_words(tmp_path: Path) -> None:
    pairs = [("a", "four words are more"), ("a b c", "x")]
    pairs += [("a", f"{n} two three") for n in range(10)] + [("a", "0 two three"), ("a", "a long one beyond the limit")]
    data = paired(
        tmp_path, pairs, valid="valid", limit=8, limit_choice="first", max_tokens=SideLimits(source=2, target=3)
    )
    write_side(tmp_path / "valid.fr", ["this line is longer than any limit"])
    write_side(tmp_path / "valid.en", ["this line is longer than any limit"])
    seen: list[CorpusReport] = []
    store = prepare_corpus(data, WORDS, tmp_path, report=seen.append)
    assert seen == [store.report]
    assert seen[0].inputs == {"train": FilterCounts(14, {DUPLICATE: 1, LIMIT: 3, LONG: 2}), "valid": FilterCounts(1)}
    assert seen[0].kept == {"train": 8, "valid": 1}
    assert (seen[0].read, seen[0].dropped) == (15, {DUPLICATE: 1, LIMIT: 3, LONG: 2})


def test_sentences_are_cut_at_the_percentile_with_eos_kept(tmp_path: Path) -> None:
    pairs = [("x " * n, "y " * n) for n in range(1, 11)]
    data = paired(tmp_path, pairs, valid="train", cut_percentile=50.0)
    store = prepare_corpus(data, WORDS, tmp_path)
    for name in ("train", "valid"):
        assert part(store, name).source.lengths.tolist() == [2, 3, 4, 5, 6, 6, 6, 6, 6, 6]
        assert rows(part(store, name).target)[9] == [4, 4, 4, 4, 4, EOS]
    assert store.report.source.cut == 6
    assert store.report.source.lengths == {50: 6, 90: 10, 95: 10, 97: 10, 99: 10, 100: 11}
    assert part(store, "valid").raw_source()[9] == "x x x x x x x x x x"


def test_each_side_is_cut_at_its_own_percentile(tmp_path: Path) -> None:
    pairs = [("x " * n, "y " * n) for n in range(1, 11)]
    data = paired(tmp_path, pairs, valid="train", cut_percentile={"source": 50, "target": None})
    train = part(prepare_corpus(data, WORDS, tmp_path), "train")
    assert train.source.lengths.tolist() == [2, 3, 4, 5, 6, 6, 6, 6, 6, 6]
    assert train.target.lengths.tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_one_percentile_for_both_sides_names_the_store_that_it_named_as_a_number(tmp_path: Path) -> None:
    data = paired(tmp_path, [("a", "b"), ("c", "d")], valid="train", cut_percentile=99.0)
    equal = ({"source": 99, "target": 99.0}, 99)
    paths = {prepare_corpus(replace(data, cut_percentile=value), WORDS, tmp_path).path for value in (99.0, *equal)}
    assert len(paths) == 1
    other = prepare_corpus(replace(data, cut_percentile={"source": 97, "target": 99}), WORDS, tmp_path)
    assert other.path not in paths


def test_the_report_counts_words(tmp_path: Path) -> None:
    data = paired(tmp_path, [("a a b", "x"), ("a c", "x y")], valid="valid")
    write_side(tmp_path / "valid.fr", ["a b d ?"])
    write_side(tmp_path / "valid.en", ["x"])
    report = prepare_corpus(data, replace(WORDS, min_count=2), tmp_path).report
    assert (report.source.words, report.source.distinct, report.source.tokens) == (5, 3, 5)
    assert (report.source.unknown, report.target.unknown) == (0.75, 0.0)


def test_a_shared_vocabulary_is_one_list_of_words(tmp_path: Path) -> None:
    data = paired(tmp_path, [("Qui est Tom ?", "Who is Tom?")] * 2, deduplicate=False, valid="train")
    store = prepare_corpus(data, replace(WORDS, shared=True), tmp_path)
    assert store.source.vocabulary.words == store.target.vocabulary.words
    assert store.source.vocabulary.words[4:6] == ("?", "tom")
    assert store.source.vocabulary.counts[4:6] == (4, 4)
    assert store.source.decode(part(store, "train").source[0]) == "qui est tom ?"
    assert store.target.decode(part(store, "train").target[0]) == "who is tom?"


def test_progress_counts_pairs_read(tmp_path: Path) -> None:
    seen: list[int] = []
    prepare_corpus(paired(tmp_path, numbered(25_000)), WORDS, tmp_path, progress=seen.append)
    assert len(seen) > 2
    assert seen == sorted(set(seen))
    assert seen[-1] == 25_000


def test_an_empty_corpus_is_refused_with_its_counts_and_leaves_nothing(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(3), questions_only=True)
    with pytest.raises(UserError, match="3 pairs read; dropped: not a question on both sides 3"):
        prepare_corpus(data, WORDS, tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock" and path.name != "corpora"]


def folder(data: DataOptions, tokenizer: TokenizerOptions, cache: Path) -> Path:
    return prepare_corpus(data, tokenizer, cache).path


def test_choices_about_batches_share_a_folder_and_others_do_not(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(40))
    first = folder(data, WORDS, tmp_path)
    batches = replace(data, batch_size=None, batch_tokens=9, valid_batch_size=9, bucket=9, workers=9)
    assert folder(batches, WORDS, tmp_path) == first
    others = [
        (replace(data, limit=9), WORDS),
        (replace(data, seed=1), WORDS),
        (replace(data, valid_fraction=0.2), WORDS),
        (replace(data, source="en", target="fr"), WORDS),
        (replace(data, source_language="de"), WORDS),
        (replace(data, deduplicate=False), WORDS),
        (replace(data, max_tokens=SideLimits(target=29)), WORDS),
        (replace(data, cut_percentile=99.0), WORDS),
        (data, replace(WORDS, case="keep")),
        (data, replace(WORDS, name="chars")),
    ]
    write_side(tmp_path / "other.fr", ["une autre"] * 9)
    write_side(tmp_path / "other.en", ["another"] * 9)
    others.append((replace(data, valid="other"), WORDS))
    assert len({folder(*choices, tmp_path) for choices in others} | {first}) == len(others) + 1
    write_side(tmp_path / "train.en", ["other text", *[english for _, english in numbered(40)[1:]]])
    assert folder(data, WORDS, tmp_path) != first


def test_the_hash_of_a_large_file_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = paired(tmp_path, numbered(40))
    path = folder(data, WORDS, tmp_path)
    monkeypatch.setattr(fingerprint, "_LARGE", 0)
    assert folder(data, WORDS, tmp_path) == path
    assert len(list((tmp_path / "corpora" / ".digests").iterdir())) == 2
    monkeypatch.setattr(fingerprint, "digest_file", lambda path: pytest.fail(f"{path} was hashed again"))
    assert folder(data, WORDS, tmp_path) == path


def test_the_phrasebook_has_three_parts_without_common_targets(tmp_path: Path) -> None:
    store = prepare_corpus(DataOptions(name="phrasebook", format="phrasebook"), WORDS, tmp_path)
    kept = store.report.kept
    assert list(kept) == ["train", "valid", "test"]
    assert kept["train"] > 6 * kept["valid"] > 3 * kept["test"]
    valid, test = part(store, "valid"), part(store, "test")
    assert not set(valid.raw_target()) & set(test.raw_target())
    assert [store.target.decode(ids) for ids in rows(test.target)[:50]] == [
        normalise(text).lower() for text in test.raw_target()[:50]
    ]


def test_a_finished_store_is_not_built_again(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(40))
    path = folder(data, WORDS, tmp_path)
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    assert folder(data, WORDS, tmp_path) == path
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before


def test_remains_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(40))
    path = folder(data, WORDS, tmp_path)
    remains = path.with_name(f".{path.name}.building")
    path.rename(remains)
    assert folder(data, WORDS, tmp_path) == path
    assert not remains.exists()


@pytest.mark.parametrize("content", ["{}", "[]", "nonsense", '{"format": 99, "report": {}}'])
def test_a_damaged_manifest_names_the_folder_to_delete(tmp_path: Path, content: str) -> None:
    data = paired(tmp_path, numbered(40))
    path = folder(data, WORDS, tmp_path)
    (path / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=f"{path} is not a complete token store .* delete that folder"):
        prepare_corpus(data, WORDS, tmp_path)


def test_a_damaged_column_names_the_folder_to_delete(tmp_path: Path) -> None:
    store = prepare_corpus(paired(tmp_path, numbered(40)), WORDS, tmp_path)
    np.save(store.path / "train" / "source.offsets.npy", np.zeros(3, np.int64))
    with pytest.raises(UserError, match="its train part has 2 sources"):
        store.part("train")


def test_the_manifest_holds_the_fingerprint_and_the_files(tmp_path: Path) -> None:
    store = prepare_corpus(paired(tmp_path, numbered(40), limit=7), WORDS, tmp_path)
    manifest = json.loads((store.path / "manifest.json").read_text())
    assert manifest["identity"]["limit"] == 7
    assert manifest["identity"]["tokenizer"]["name"] == "words"
    assert manifest["files"]["train"] == [str(tmp_path / "train.fr"), str(tmp_path / "train.en")]


def build(data: DataOptions, cache: Path, results: "multiprocessing.Queue[tuple[str, int]]") -> None:
    calls: list[int] = []
    store = prepare_corpus(data, WORDS, cache, progress=calls.append)
    results.put((str(store.path), len(calls)))


def test_processes_that_start_together_build_it_once(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(3000))
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[tuple[str, int]] = context.Queue()
    workers = [context.Process(target=build, args=(data, tmp_path, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    stores = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert len({path for path, _ in stores}) == 1
    calls = sorted(calls for _, calls in stores)
    assert calls[:2] == [0, 0]
    assert calls[2] > 0


def test_decoded_text_is_the_normalised_text(tmp_path: Path) -> None:
    pairs = [("Qu’est-ce que c’est\u202f?", "What’s this?"), ("J’ai dit “non”…", "I said “no”…")]
    store = prepare_corpus(paired(tmp_path, pairs * 2, deduplicate=False, valid="train"), WORDS, tmp_path)
    train = part(store, "train")
    for row, (french, english) in enumerate(pairs):
        assert store.source.decode(train.source[row]) == normalise(french).lower()
        assert store.target.decode(train.target[row]) == normalise(english).lower()


def test_several_files_are_read_in_their_order_and_repeats_among_them_dropped(tmp_path: Path) -> None:
    data = paired(tmp_path, [("un", "one"), ("deux", "two")], train=["other", "train"], valid="train")
    write_side(tmp_path / "other.fr", ["trois", "un"])
    write_side(tmp_path / "other.en", ["three", "one"])
    store = prepare_corpus(data, WORDS, tmp_path)
    assert train_targets(store) == ["three", "one", "two"]
    assert store.report.inputs["train"] == FilterCounts(4, {DUPLICATE: 1})


def test_weights_repeat_or_draw_the_pairs_of_training_alone(tmp_path: Path) -> None:
    pairs = numbered(400)
    data = paired(tmp_path, pairs, train=["train", "other"], weights=[0.25, 2.5], valid_fraction=0.25)
    write_side(tmp_path / "other.fr", ["un", "deux", "trois", "quatre"] * 2)
    write_side(tmp_path / "other.en", [f"{name} {n}" for n in range(2) for name in ("one", "two", "three", "four")])
    store = prepare_corpus(data, WORDS, tmp_path)
    train, valid = Counter(train_targets(store)), part(store, "valid").raw_target()
    texts = [pair[1] for pair in pairs if choose_part(pair[1], data) == "train"]
    drawn = [text for text in texts if train[text]]
    assert 0.15 < len(drawn) / len(texts) < 0.35
    assert store.report.dropped == {NOT_DRAWN: len(texts) - len(drawn)}
    assert all(train[text] == 1 for text in drawn)
    assert sorted(valid) == sorted(set(valid))
    unweighted = prepare_corpus(replace(data, name="unweighted", weights=None), WORDS, tmp_path)
    assert valid == part(unweighted, "valid").raw_target()
    assert {count for text, count in train.items() if text not in drawn} == {2, 3}
    assert train_targets(prepare_corpus(replace(data, name="again"), WORDS, tmp_path)) == train_targets(store)


def test_standard_input_makes_the_store_that_the_same_file_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tabbed(tmp_path, numbered(40))
    content = (tmp_path / "pairs.txt").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    store = prepare_corpus(replace(data, train="-", root=None), WORDS, tmp_path)
    assert store.report.read == 40
    assert folder(data, WORDS, tmp_path) == store.path
    assert [path for path in (tmp_path / "corpora").iterdir() if path.suffix != ".lock"] == [store.path]


def test_swapped_languages_are_warned_of(tmp_path: Path) -> None:
    pairs = [(f"où est la clé {n} des rues", f"where is the key {n} of the streets") for n in range(20)]
    assert prepare_corpus(paired(tmp_path, pairs), WORDS, tmp_path).report.warnings == ()
    swapped = paired(tmp_path, [(english, french) for french, english in pairs])
    (warning,) = prepare_corpus(swapped, WORDS, tmp_path).report.warnings
    assert warning.startswith("The sides look swapped")


def test_tolerated_faults_are_in_the_report(tmp_path: Path) -> None:
    pairs = [*numbered(30), ("Paris", "Paris"), ("a\0", "b"), ("x" * 99, "y"), ("", "z")]
    data = paired(tmp_path, pairs, encoding_errors="replace", max_characters=50)
    path = tmp_path / "train.fr"
    path.write_bytes(path.read_bytes().replace(b"chats", b"ch\xe2ts", 3).replace(b"Paris\n", b"Paris\r \r\n"))
    report = prepare_corpus(data, WORDS, tmp_path).report
    assert report.dropped == {WIDE: 1, NUL: 1, EMPTY: 1}
    assert report.noticed == {REPLACED: 3, RETURNS: 1, COPY: 1}


OFTEN = {"BATCH_PAIRS": 50, "COMMIT_BATCHES": 2}


@pytest.fixture
def commits_often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OFTEN.items():
        monkeypatch.setattr(ingest, name, value)


@pytest.mark.usefixtures("commits_often")
def test_killed_at_any_moment_it_resumes_and_builds_an_identical_store(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(4000))
    whole = prepare_corpus(data, WORDS, tmp_path / "undisturbed")
    context = multiprocessing.get_context("fork")
    cache = tmp_path / "cache"
    for moment in (0.0, 0.02, 0.05, 0.07, 0.1, 0.12, 0.15, 0.2):
        worker = context.Process(target=prepare_corpus, args=(data, WORDS, cache))
        worker.start()
        time.sleep(moment)
        worker.kill()
        worker.join()
        finished = [path for path in (cache / "corpora").glob("*") if not path.name.startswith(".")]
        assert len(finished) <= 1
        for path in finished:
            assert content_of(path) == content_of(whole.path)
    path = folder(data, WORDS, cache)
    assert content_of(path) == content_of(whole.path)
    assert [other for other in path.parent.iterdir() if other.suffix != ".lock"] == [path]


def many_sided(folder: Path, max_words: int) -> DataOptions:
    """A corpus with every kind of count: repeats, empty sides, long pairs, weights, a limit, a validation file."""
    pairs = [("a b c", "x y") if n % 7 == 0 else ("", f"empty {n}") if n % 11 == 0 else p for n, p in enumerate(LONGER)]
    data = paired(folder, pairs, valid="valid", limit=200, max_tokens=SideLimits(source=max_words), weights=[1.5])
    write_side(folder / "valid.fr", [f"un {n} deux" for n in range(300)])
    write_side(folder / "valid.en", [f"one {n} two" for n in range(300)])
    return data


LONGER = [(f"{source} {'mot ' * (n % 4)}", target) for n, (source, target) in enumerate(numbered(900))]


class StopHereError(Exception):
    pass


@pytest.mark.usefixtures("commits_often")
@pytest.mark.parametrize(("tokenizer", "max_words"), [(WORDS, 8), (PIECES, 20)], ids=["words", "pieces"])
def test_interrupted_it_resumes_after_the_last_commit(
    tmp_path: Path, tokenizer: TokenizerOptions, max_words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = many_sided(tmp_path, max_words)
    whole = prepare_corpus(data, tokenizer, tmp_path / "undisturbed")
    assert whole.report.dropped.keys() >= {DUPLICATE, EMPTY, LONG, LIMIT}
    tokenized: list[int] = []

    def breaking(batches: Iterable[Batch], *others: Any) -> Iterator[TokenizedBatch]:
        for result in tokenize_batches(batches, *others):
            tokenized.append(result.batch.size)
            yield result
            if sum(tokenized) >= stop:
                raise StopHereError

    monkeypatch.setattr(ingest, "tokenize_batches", breaking)
    stop, trials = 130, 0
    while not (tmp_path / "cache" / "corpora" / whole.path.name).is_dir():
        trials += 1
        with suppress(StopHereError):
            prepare_corpus(data, tokenizer, tmp_path / "cache")
        stop = sum(tokenized) + 130
    assert trials > 5
    total = 1 + whole.report.kept["train"] + whole.report.kept["valid"] + sum(whole.report.dropped.values())
    assert sum(tokenized) < total + trials * 50 * 2
    assert content_of(tmp_path / "cache" / "corpora" / whole.path.name) == content_of(whole.path)


@pytest.mark.usefixtures("commits_often")
def test_when_the_disk_is_full_nothing_is_lost(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(1500))
    whole = prepare_corpus(data, WORDS, tmp_path / "undisturbed")
    with little_room(20_000), pytest.raises(OSError, match="File too large"):
        prepare_corpus(data, WORDS, tmp_path)
    assert not (tmp_path / "corpora" / whole.path.name).exists()
    assert content_of(prepare_corpus(data, WORDS, tmp_path).path) == content_of(whole.path)


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """Simulates a full disk by a limit on the size of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("commits_often")
def test_files_that_do_not_match_the_journal_are_built_again(tmp_path: Path) -> None:
    data = paired(tmp_path, numbered(600))
    whole = prepare_corpus(data, WORDS, tmp_path / "undisturbed")
    building = tmp_path / "cache" / "corpora" / f".{whole.path.name}.building"
    for harm in (cut_short, other_pair, unreadable):
        with pytest.raises(StopHereError):
            prepare_corpus(data, WORDS, tmp_path / "cache", progress=stop_at_once)
        journal = Journal(building)
        journal.open("spool/source.words").write(b"un\n")
        journal.commit({"pairs": {"train": 100}, "last": {"train": "another"}, "dropped": {}})
        journal.close()
        harm(building)
        path = prepare_corpus(data, WORDS, tmp_path / "cache").path
        assert content_of(path) == content_of(whole.path)
        shutil.rmtree(path)


def stop_at_once(_pairs: int) -> None:
    raise StopHereError


def cut_short(building: Path) -> None:
    (building / "spool" / "source.words").write_bytes(b"")


def other_pair(building: Path) -> None:
    assert (building / "journal.json").is_file()


def unreadable(building: Path) -> None:
    (building / "journal.json").write_text("{")


def content_of(path: Path) -> dict[str, bytes]:
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
