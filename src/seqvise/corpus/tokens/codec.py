"""Encodes text as ids and decodes ids, for one side of a corpus or of a trained model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.sentencepiece import Pieces
from seqvise.corpus.tokens.tokenizers import MARKS, Tokenizer, build_tokenizer, restored, text_cleaner
from seqvise.corpus.tokens.vocabulary import BOS, EOS, PAD, Vocabulary
from seqvise.errors import UserError
from seqvise.files import atomic_write, write_text

_QUOTE = '"'
_SPACE = " "


def detokenize(words: Sequence[str], vocabulary: Vocabulary, marked: bool = False) -> str:
    """Joins words to a text, with the spacing of the training text.

    ``Vocabulary.joined`` decides whether two words are written without a space. Straight double quotes open and close
    in turn. A vocabulary of characters, which contains the space, needs no such rules.

    Args:
        words: words without special tokens; an unknown word is written between spaces.
        marked: removes each mark (``t_up``, ``t_maj``) and writes the word after it with its capitals.
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
    mark = None
    for word in words:
        if marked and word in MARKS:
            mark = word
        else:
            yield word, word if mark is None else restored(word, mark)
            mark = None


@dataclass(frozen=True)
class TextCodec:
    """A language's tokenizer and vocabulary. Decoding needs no tokenizer, so it works without spaCy.

    Attributes:
        language: two-letter code.
        vocabulary: the words that have an id.
        model: sentencepiece: bytes of the model file, which decoding needs too; else None.
        backwards: ids and words are in reverse order, from the last word of a text to the first; text is not.
    """

    language: str
    options: TokenizerOptions
    vocabulary: Vocabulary
    model: bytes | None = field(default=None, repr=False)
    backwards: bool = False

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, built on first use."""
        return build_tokenizer(self.options, self.language, self.pieces)

    @cached_property
    def pieces(self) -> Pieces | None:
        """The SentencePiece model, if there is one."""
        return None if self.model is None else Pieces(self.model, self.options.algorithm)

    def encode(self, texts: Iterable[str]) -> list[NDArray[np.int32]]:
        """The ids of each text, with ``EOS`` at the end; an empty text becomes ``EOS`` alone."""
        return [self._ids(tokens.words) for tokens in self.tokenizer.tokenize(texts)]

    def sample(self, text: str, alpha: float, seed: int, max_length: int | None = None) -> NDArray[np.int32]:
        """The ids of a random segmentation, with ``EOS`` at the end; see ``Pieces.sample``.

        Args:
            max_length: maximum number of ids, with ``EOS``; None keeps all.
        """
        if self.pieces is None:
            raise ValueError(f"tokenizer.name is {self.options.name}, but only sentencepiece can sample segmentations.")
        words = self.pieces.sample(text_cleaner(self.options)(text), alpha, seed)
        return self._ids(words if max_length is None else words[: max_length - 1])

    def _ids(self, words: Sequence[str]) -> NDArray[np.int32]:
        ordered = reversed(words) if self.backwards else words
        return np.array([*self.vocabulary.ids(ordered), EOS], np.int32)

    def words(self, ids: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """The words before the first ``EOS``, without ``BOS`` and ``PAD``; ``UNK`` becomes ``<unk>``."""
        words = []
        for index in map(int, ids):
            if index == EOS:
                break
            if index not in (BOS, PAD):
                words.append(self.vocabulary.words[index])
        return words

    def text(self, words: Sequence[str]) -> str:
        """Joins words, in the order of their ids, to a text with the spacing of the training text."""
        ordered = list(reversed(words) if self.backwards else words)
        if self.pieces is not None:
            return self.pieces.join(ordered)
        return detokenize(ordered, self.vocabulary, marked=self.options.case in ("marked", "marked_all"))

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """Decodes ids to text."""
        return self.text(self.words(ids))

    def save(self, folder: Path, side: str) -> None:
        """Writes ``<side>.vocabulary.tsv``, ``<side>.codec.json`` and, for sub-words, ``<side>.sentencepiece.model``.

        Args:
            side: ``source`` or ``target``.
        """
        self.vocabulary.save(folder / f"{side}.vocabulary.tsv")
        if self.model is not None:
            with atomic_write(folder / f"{side}.sentencepiece.model") as temporary:
                temporary.write_bytes(self.model)
        tokenizer = asdict(self.options)
        if self.options.revision == 1:
            del tokenizer["revision"]  # files of revision 1 do not have it, and a resumed run compares them
        content = {"language": self.language, "tokenizer": tokenizer, "backwards": self.backwards}
        write_text(folder / f"{side}.codec.json", json.dumps(content, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, side: str) -> TextCodec:
        """The inverse of ``save``.

        Raises:
            UserError: a file is missing or was not written by ``save``.
        """
        path = folder / f"{side}.codec.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            language, options = str(content["language"]), TokenizerOptions(**{"revision": 1, **content["tokenizer"]})
            backwards = bool(content.get("backwards", False))
            subwords = options.name == "sentencepiece"
            model = (folder / f"{side}.sentencepiece.model").read_bytes() if subwords else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{path} is not a codec written by seqvise: {error}.") from None
        return cls(language, options, Vocabulary.load(folder / f"{side}.vocabulary.tsv"), model, backwards)
