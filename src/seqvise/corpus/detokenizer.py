"""Text from words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seqvise.corpus.tokenizers import UP
from seqvise.corpus.vocabulary import Vocabulary

_QUOTE = '"'
_SPACE = " "


def detokenize(words: Sequence[str], vocabulary: Vocabulary, marked: bool = False) -> str:
    """The words as one text, spaced as the training text of the vocabulary was.

    No space stands between two words if the first joins right or the second joins left. Straight double quotes
    open and close in turn. A vocabulary of characters, in which the space is a word, needs no such rule.

    Args:
        words: without specials; an unknown word is set between spaces.
        marked: the word after a ``t_up`` mark is written in capitals, and the mark left out.
    """
    if _SPACE in vocabulary:
        return "".join(words)
    text = ""
    glue = True
    quoted = False
    for word, written in _written(words, marked):
        index = vocabulary.id(word)
        closes, opens = word == _QUOTE and quoted, word == _QUOTE and not quoted
        joins_left = closes or (vocabulary.joins_left[index] and not opens)
        text += written if glue or joins_left else f" {written}"
        glue = opens or (vocabulary.joins_right[index] and not closes)
        quoted ^= word == _QUOTE
    return text


def _written(words: Sequence[str], marked: bool) -> Iterator[tuple[str, str]]:
    up = False
    for word in words:
        if marked and word == UP:
            up = True
        else:
            yield word, word.upper() if up else word
            up = False
