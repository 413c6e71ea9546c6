"""Text from words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seqvise.corpus.tokenizers import UP
from seqvise.corpus.vocabulary import Vocabulary

_QUOTE = '"'
_SPACE = " "


def detokenize(words: Sequence[str], vocabulary: Vocabulary, marked: bool = False) -> str:
    """The words as one text, spaced as the training text of the vocabulary was.

    ``Vocabulary.joined`` tells where no space stands between two words. Straight double quotes open and close in turn.
    A vocabulary of characters, in which the space is a word, needs no such rule.

    Args:
        words: without specials; an unknown word is set between spaces.
        marked: the word after a ``t_up`` mark is written in capitals, and the mark left out.
    """
    if _SPACE in vocabulary:
        return "".join(words)
    text, before = "", ""
    quoted = opened = False
    for word, written in _written(words, marked):
        if word == _QUOTE:
            joined = quoted or (before not in ("", _QUOTE) and vocabulary.no_space_after(before))
        elif before == _QUOTE:
            joined = opened or vocabulary.no_space_before(word)
        else:
            joined = vocabulary.joined(before, word)
        text += written if joined or not before else f" {written}"
        opened = word == _QUOTE and not quoted
        quoted ^= word == _QUOTE
        before = word
    return text


def _written(words: Sequence[str], marked: bool) -> Iterator[tuple[str, str]]:
    up = False
    for word in words:
        if marked and word == UP:
            up = True
        else:
            yield word, word.upper() if up else word
            up = False
