"""Tokenizers: normalise text and split it into words."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from typing import Any, NamedTuple, Protocol

from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.sentencepiece import Pieces, no_sentencepiece
from seqvise.errors import UserError

PLAIN_FORMS = {
    "'": "‘’‚‛ʼʹ′´`＇",
    '"': "“”„‟″＂",
    "-": "‐‑‒–—―−﹘﹣－",
    "...": "…",
    "": "\u00ad\u200b\u200c\u200d\u2060\ufeff",
}
"""The plain form of typographic characters; zero-width characters have none."""
_TABLE = str.maketrans({character: form for form, characters in PLAIN_FORMS.items() for character in characters})


_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Hangul fillers and the blank Braille pattern: letters and symbols in Unicode, but invisible."""


def has_word(text: str) -> bool:
    """Whether a text contains anything to translate or label.

    Letters, numbers, punctuation and symbols count (Unicode categories L, N, P and S). Separators, control and format
    characters, unassigned characters, combining marks without a base, and invisible letters do not.
    """
    return any(unicodedata.category(sign)[0] in "LNPS" and sign not in _BLANK_LETTERS for sign in text)


def fold(text: str) -> str:
    """Replaces each run of white space, including no-break and other Unicode spaces, with a single plain space."""
    return " ".join(text.split())


def normalise(text: str) -> str:
    """Replaces typographic quotes, dashes, ellipses and spaces with plain forms.

    Letters are composed (Unicode NFC). Guillemets become straight quotes, without the spaces inside them in French.
    Zero-width characters are removed.
    """
    if text.isascii():
        return fold(text)
    plain = fold(unicodedata.normalize("NFC", text).translate(_TABLE))
    return plain.replace("« ", '"').replace(" »", '"').replace("«", '"').replace("»", '"')


UP = "t_up"
"""Mark before a word that is in capitals in the text."""
FIRST_UP = "t_maj"
"""Mark before a word whose first letter alone is a capital in the text; of ``case=marked_all``."""
MARKS = (UP, FIRST_UP)

_SPLITTER_VERSION = 1


class Tokens(NamedTuple):
    """The words of a text.

    Attributes:
        spaced: for each word, whether a space follows it in the text; False for a ``t_up`` mark.
    """

    words: list[str]
    spaced: list[bool]


class Tokenizer(Protocol):
    """Splits texts into words."""

    def tokenize(self, texts: Iterable[str]) -> Iterator[Tokens]:
        """Yields the words of each text, in order. Texts are consumed lazily."""
        ...


Splitter = Callable[[Iterable[str]], Iterator[Tokens]]


class TextTokenizer:
    """Cleans a text according to the options, then splits it.

    Text is lower-cased before it is split, as in the fast.ai (2018) lesson, so that a word at the start of a sentence
    is split like any other.
    """

    def __init__(self, options: TokenizerOptions, split: Splitter) -> None:
        self._clean = text_cleaner(options)
        self._case = options.case
        self._split = split

    def tokenize(self, texts: Iterable[str]) -> Iterator[Tokens]:
        """See ``Tokenizer``."""
        cleaned = map(self._clean, texts)
        mark = {"marked": mark_capitals, "marked_all": mark_all_capitals}.get(self._case)
        return self._split(cleaned) if mark is None else self._marked(cleaned, mark)

    def _marked(self, texts: Iterator[str], mark: Callable[[Tokens, str], Tokens]) -> Iterator[Tokens]:
        originals: deque[str] = deque()

        def lowered() -> Iterator[str]:
            for text in texts:
                originals.append(text)
                yield lower_aligned(text)

        for tokens in self._split(lowered()):
            yield mark(tokens, originals.popleft())


def text_cleaner(options: TokenizerOptions) -> Callable[[str], str]:
    """Returns the function that cleans a text before it is split; only ``case=lower`` loses capitals here.

    A text without a word becomes empty, see ``has_word``.
    """
    plain = normalise if options.normalise else fold

    def clean(text: str) -> str:
        tidy = plain(text)
        return "" if not has_word(tidy) else tidy.lower() if options.case == "lower" else tidy

    return clean


def build_tokenizer(options: TokenizerOptions, language: str, pieces: Pieces | None = None) -> Tokenizer:
    """Builds a tokenizer.

    Args:
        language: two-letter code.
        pieces: sentencepiece: the trained model.

    Raises:
        UserError: spaCy is not installed or does not support the language.
    """
    if options.name == "sentencepiece":
        if pieces is None:
            raise ValueError("A sub-word tokenizer needs its trained model.")
        return TextTokenizer(options, piece_splitter(pieces))
    if options.name == "chars":
        return TextTokenizer(options, split_characters)
    if options.name == "spaces":
        return TextTokenizer(options, split_at_spaces)
    if options.name == "words":
        return TextTokenizer(options, word_splitter(language))
    return TextTokenizer(options, spacy_splitter(language))


def tokenizer_version(options: TokenizerOptions) -> str:
    """Name and version of a tokenizer; with the same version, the same text yields the same words."""
    if options.name not in ("spacy", "sentencepiece"):
        return f"{options.name} {_SPLITTER_VERSION}"
    try:
        return f"{options.name} {metadata.version(options.name)}"
    except metadata.PackageNotFoundError:
        raise (_no_spacy() if options.name == "spacy" else no_sentencepiece()) from None


def spacy_splitter(language: str) -> Splitter:
    """spaCy's tokenizer rules for a language; statistical components are not loaded."""
    tokenizer = _spacy_tokenizer(language)
    words = _SpacyWords(tokenizer.vocab.strings)

    def split(texts: Iterable[str]) -> Iterator[Tokens]:
        for document in tokenizer.pipe(texts):
            # Three times as fast as reading the text of each token.
            hashes, spaces = document.to_array(["ORTH", "SPACY"]).T.tolist()
            yield Tokens([words[key] for key in hashes], [space == 1 for space in spaces])

    return split


def word_splitter(language: str) -> Splitter:
    """Splits into words, numbers and single marks by a regular expression; English and French clitics are separate."""
    find = re.compile(f"({word_pattern(language)})( ?)").findall

    def split(texts: Iterable[str]) -> Iterator[Tokens]:
        for text in texts:
            matches = find(text)
            yield Tokens([word for word, _ in matches], [space == " " for _, space in matches])

    return split


def word_pattern(language: str) -> str:
    """The regular expression of a word of ``tokenizer=words``."""
    return f"{_WORDS.get(language, _ANY_WORD)}|{_MARK}"


def split_characters(texts: Iterable[str]) -> Iterator[Tokens]:
    """Every character is a word, including the space, so that a model of characters can predict where words end."""
    for text in texts:
        yield Tokens(list(text), [False] * len(text))


def split_at_spaces(texts: Iterable[str]) -> Iterator[Tokens]:
    """Splits at spaces alone, for text that is tokenised already."""
    for text in texts:
        words = text.split()
        yield Tokens(words, [True] * (len(words) - 1) + [False] * bool(words))


def piece_splitter(pieces: Pieces) -> Splitter:
    """Splits into the most probable pieces of a SentencePiece model; pieces contain the marks of word starts."""

    def split(texts: Iterable[str]) -> Iterator[Tokens]:
        for text in texts:
            words = pieces.split(text)
            yield Tokens(words, [False] * len(words))

    return split


def lower_aligned(text: str) -> str:
    """Lower-cases a text without changing its length: a character whose lower case has two characters is kept."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def mark_capitals(tokens: Tokens, text: str) -> Tokens:
    """Inserts ``t_up`` before each word of more than two characters that is in capitals in the text.

    This is the rule of fast.ai's ``do_caps``.
    """
    if text.islower():
        return tokens
    marked = Tokens([], [])
    start = 0
    for word, spaced in zip(*tokens, strict=True):
        if len(word) > 2 and text[start : start + len(word)].isupper():
            marked.words.append(UP)
            marked.spaced.append(False)
        marked.words.append(word)
        marked.spaced.append(spaced)
        start += len(word) + spaced
    return marked


def mark_all_capitals(tokens: Tokens, text: str) -> Tokens:
    """Inserts a mark before each word in capitals, or with a first capital; words of mixed case are kept as they are.

    ``restored`` writes the words again without losing a letter's case.
    """
    if text.islower():
        return tokens
    marked = Tokens([], [])
    start = 0
    for word, spaced in zip(*tokens, strict=True):
        original = text[start : start + len(word)]
        mark = next((mark for mark in MARKS[::-1] if restored(word, mark) == original), None)
        if word != original and mark is not None:
            marked.words.append(mark)
            marked.spaced.append(False)
        marked.words.append(original if mark is None else word)
        marked.spaced.append(spaced)
        start += len(word) + spaced
    return marked


def restored(word: str, mark: str) -> str:
    """The word in the text before which a mark was inserted."""
    return word.upper() if mark == UP else word[:1].upper() + word[1:]


class _SpacyWords(dict[int, str]):
    """Hash -> string of spaCy's vocabulary; caches each string."""

    def __init__(self, strings: Any) -> None:
        self._strings = strings

    def __missing__(self, key: int) -> str:
        word = self[key] = str(self._strings[key])
        return word


def _spacy_tokenizer(language: str) -> Any:
    try:
        import spacy
    except ImportError:
        raise _no_spacy() from None
    try:
        return spacy.blank(language).tokenizer
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"spaCy has no tokenizer for the language '{language}' ({reason}): set data.source_language and "
            f"data.target_language to codes that it supports, or use tokenizer=words."
        ) from None


def _no_spacy() -> UserError:
    return UserError(
        "tokenizer=spacy needs spaCy, which is not installed: `pip install 'seqvise[spacy]'`, or use tokenizer=words."
    )


_NUMBER = r"\d+(?:[.,:]\d+)*"
_PLAIN = r"\w+(?:-\w+)*"
_MARK = r"\S"
_ANY_WORD = rf"{_NUMBER}(?!\w)|\w+(?:['’-]\w+)*"
_CLITIC_EN = r"['’](?:s|re|ve|ll|d|m)\b"
_PRONOUN_FR = r"-(?:t-)?(?:je|tu|ils?|elles?|on|ce|nous|vous|moi|toi|lui|leur|les?|la|en|y|là|ci)\b"
_WORDS = {
    "en": rf"(?i:{_NUMBER}(?!\w)|\w+(?=n['’]t\b)|n['’]t\b|{_CLITIC_EN}|{_PLAIN})",
    "fr": (
        rf"(?i:{_NUMBER}(?!\w)|aujourd['’]hui|quelqu['’]une?s?\b|\w+['’](?=\w)|{_PRONOUN_FR}"
        rf"|\w+(?:-(?!{_PRONOUN_FR[1:]})\w+)*)"
    ),
}
