from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqvise.corpus.parallel.ingest import Side
from seqvise.corpus.parallel.journal import Journal
from seqvise.corpus.parallel.spool import TokenIds, TokenSpool, find_joins, find_pair_joins
from seqvise.corpus.tokens.codec import detokenize
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.tokenizers import build_tokenizer, normalise
from seqvise.corpus.tokens.vocabulary import Vocabulary

TEXTS = {
    "en": [
        "What's the time?",
        "Who is there, Tom?",
        "Isn't that Tom's xylophone?",
        "Don't go (now), I can't.",
        "It costs $5, that is 10%.",
        "Is a well-known man here?",
        'He said "yes" and "no".',
        'Who\'s "Bob"?',
    ],
    "fr": [
        "Qu'est-ce que c'est ?",
        "Où sont-ils, Tom ?",
        "L'homme y a-t-il bu de l'eau ?",
        "J'ai dit « oui » (hier).",
        "Est-ce l'arc-en-ciel ?",
        "Va-t'en !",
    ],
}


def learned_vocabulary(texts: list[str], options: TokenizerOptions, language: str, folder: Path) -> Vocabulary:
    journal = Journal(folder)
    lexicon = TokenIds(journal, "words")
    spool = TokenSpool(journal, "spool", lexicon)
    for tokens in build_tokenizer(options, language).tokenize(texts * 2):
        spool.add(tokens)
    journal.close()
    side = Side("target", language, lexicon, {"train": spool})
    return side.vocabulary(list(lexicon), dict.fromkeys(lexicon, 1), options.revision)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", ["words", "spacy", "chars"])
def test_words_are_joined_to_the_original_text(language: str, name: str, tmp_path: Path) -> None:
    options = TokenizerOptions(name=name)
    vocabulary = learned_vocabulary(TEXTS[language], options, language, tmp_path)
    tokenized = build_tokenizer(options, language).tokenize(TEXTS[language])
    written = [detokenize(tokens.words, vocabulary) for tokens in tokenized]
    assert written == [normalise(text).lower() for text in TEXTS[language]]


CLOCKS = ["It is one o'clock.", "At two o'clock.", "By six o'clock.", "The clock is ticking.", "My clock!"]
CLOCKS += [f"Men ' {word}" for word in ("boots", "shoes", "hats", "coats")]


@pytest.mark.parametrize(("revision", "written"), [(1, "theclock is on myclock."), (2, "the clock is on my clock.")])
def test_the_word_before_decides_whether_a_word_is_joined(tmp_path: Path, revision: int, written: str) -> None:
    options = TokenizerOptions(name="words", revision=revision)
    vocabulary = learned_vocabulary(CLOCKS, options, "en", tmp_path)
    assert detokenize(["it", "is", "nine", "o", "'", "clock", "."], vocabulary) == "it is nine o'clock."
    assert detokenize(["the", "clock", "is", "on", "my", "clock", "."], vocabulary) == written
    vocabulary.save(tmp_path / "words.tsv")
    loaded = Vocabulary.load(tmp_path / "words.tsv")
    assert loaded == vocabulary
    assert detokenize(["the", "clock", "is", "on", "my", "clock", "."], loaded) == written


def test_words_of_letters_are_joined_only_if_a_space_never_occurs_between_them() -> None:
    can, not_, do, stop = range(4)
    before = np.array([can, can, can, do, can, stop, do, stop], np.int32)
    after = np.array([not_, not_, not_, not_, stop, can, stop, do], np.int32)
    glued = np.array([True, True, True, False, True, False, True, True])
    joins = find_joins(before, after, glued, 4)
    letters = np.array([True, True, True, False])
    pairs = find_pair_joins(before, after, glued, joins, letters)
    joined = list(zip(*(column.tolist() for column in pairs), strict=True))
    assert (can, not_, True) in joined
    glued[0] = False  # "can not" occurs too: two spaces too many are better than one lost
    pairs = find_pair_joins(before, after, glued, joins, letters)
    assert (can, not_) not in zip(pairs.before.tolist(), pairs.after.tolist(), strict=True)


WORDS = ["o'clock", "the", "clock", "can't", "qu'un", "est-ce", "a", ",", "5%", "(b)"]
LINES = st.lists(st.lists(st.sampled_from(WORDS), min_size=1).map(" ".join), min_size=1, max_size=6)


@settings(deadline=None, max_examples=30)
@given(lines=LINES, language=st.sampled_from(["en", "fr"]))
def test_no_space_between_words_of_letters_is_lost(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], language: str
) -> None:
    options = TokenizerOptions(name="words")
    vocabulary = learned_vocabulary(lines, options, language, tmp_path_factory.mktemp("spool"))
    for tokens in build_tokenizer(options, language).tokenize(lines):
        text = detokenize(tokens.words, vocabulary)
        for position, (word, spaced) in enumerate(zip(*tokens, strict=True)):
            text = text.removeprefix(word)
            if spaced and word.isalpha() and tokens.words[position + 1].isalpha():
                assert text.startswith(" ")
            text = text.removeprefix(" ")


def test_a_word_before_a_full_stop_is_not_the_cause_of_the_missing_space() -> None:
    is_, horn, stop = range(3)
    joins = find_joins(
        before=np.array([is_, horn, is_, horn], np.int32),
        after=np.array([horn, stop, stop, stop], np.int32),
        glued=np.array([False, True, True, True]),
        size=3,
    )
    assert joins.left.tolist() == [False, False, True]
    assert joins.right.tolist() == [False, False, False]


def test_an_elided_article_joins_right_and_its_nouns_do_not_join_left() -> None:
    article, water, man, of = range(4)
    joins = find_joins(
        before=np.array([article, article, article, article, article, of], np.int32),
        after=np.array([water, water, water, man, man, water], np.int32),
        glued=np.array([True, True, True, True, True, False]),
        size=4,
    )
    assert joins.right.tolist() == [True, False, False, False]
    assert joins.left.tolist() == [False, False, False, False]


def test_a_single_occurrence_joins_nothing() -> None:
    ids = np.zeros(1, np.int32)
    assert not np.any(find_joins(ids, ids, np.array([True]), 1))
    assert not np.any(find_joins(ids[:0], ids[:0], np.array([], bool), 0))


def test_marks_become_capitals_and_do_not_disturb_spaces(tmp_path: Path) -> None:
    options = TokenizerOptions(name="words", case="marked")
    texts = ["the NASA, said (NASA).", "l'ONU ? NASA"]
    vocabulary = learned_vocabulary(texts, options, "fr", tmp_path)
    tokenized = build_tokenizer(options, "fr").tokenize(texts)
    assert [detokenize(tokens.words, vocabulary, marked=True) for tokens in tokenized] == texts


def test_unknown_words_are_between_spaces() -> None:
    vocabulary = Vocabulary.from_ranked(["c", "?"], {"c": 1, "?": 1}, {"?": (True, False)})
    assert detokenize(["c", "<unk>", "c", "?"], vocabulary) == "c <unk> c?"
    assert detokenize([], vocabulary) == ""
