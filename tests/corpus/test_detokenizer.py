from pathlib import Path

import numpy as np
import pytest

from seqvise.corpus.detokenizer import detokenize
from seqvise.corpus.joins import find_joins
from seqvise.corpus.journal import Journal
from seqvise.corpus.normalise import normalise
from seqvise.corpus.options import TokenizerOptions
from seqvise.corpus.spool import Lexicon, Spool
from seqvise.corpus.tokenizers import build_tokenizer
from seqvise.corpus.vocabulary import Vocabulary

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


def learnt(texts: list[str], options: TokenizerOptions, language: str, folder: Path) -> Vocabulary:
    journal = Journal(folder)
    lexicon = Lexicon(journal, "words")
    spool = Spool(journal, "spool", lexicon)
    for tokens in build_tokenizer(options, language).tokenize(texts * 2):
        spool.add(tokens)
    journal.close()
    left, right = spool.joins()
    joins = {word: (bool(left[index]), bool(right[index])) for word, index in lexicon.items()}
    return Vocabulary.from_ranked(list(lexicon), dict.fromkeys(lexicon, 1), joins)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", ["words", "spacy", "chars"])
def test_words_become_the_text_again(language: str, name: str, tmp_path: Path) -> None:
    options = TokenizerOptions(name=name)
    vocabulary = learnt(TEXTS[language], options, language, tmp_path)
    tokenized = build_tokenizer(options, language).tokenize(TEXTS[language])
    written = [detokenize(tokens.words, vocabulary) for tokens in tokenized]
    assert written == [normalise(text).lower() for text in TEXTS[language]]


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


def test_a_single_slip_joins_nothing() -> None:
    one = np.zeros(1, np.int32)
    assert not np.any(find_joins(one, one, np.array([True]), 1))
    assert not np.any(find_joins(one[:0], one[:0], np.array([], bool), 0))


def test_marks_become_capitals_and_do_not_disturb_spaces(tmp_path: Path) -> None:
    options = TokenizerOptions(name="words", case="marked")
    texts = ["the NASA, said (NASA).", "l'ONU ? NASA"]
    vocabulary = learnt(texts, options, "fr", tmp_path)
    tokenized = build_tokenizer(options, "fr").tokenize(texts)
    assert [detokenize(tokens.words, vocabulary, marked=True) for tokens in tokenized] == texts


def test_unknown_words_stand_between_spaces() -> None:
    vocabulary = Vocabulary.from_ranked(["c", "?"], {"c": 1, "?": 1}, {"?": (True, False)})
    assert detokenize(["c", "<unk>", "c", "?"], vocabulary) == "c <unk> c?"
    assert detokenize([], vocabulary) == ""
