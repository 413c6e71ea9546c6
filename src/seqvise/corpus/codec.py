"""Text to ids and back, for one side of a corpus or of a trained model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqvise.corpus.detokenizer import detokenize
from seqvise.corpus.options import TokenizerOptions
from seqvise.corpus.tokenizers import Tokenizer, build_tokenizer
from seqvise.corpus.vocabulary import BOS, EOS, PAD, Vocabulary
from seqvise.errors import UserError
from seqvise.files import write_text


@dataclass(frozen=True)
class TextCodec:
    """A language's tokenizer and vocabulary. Decoding needs no tokenizer, so it runs without spaCy."""

    language: str
    options: TokenizerOptions
    vocabulary: Vocabulary

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, built when it is first needed."""
        return build_tokenizer(self.options, self.language)

    def encode(self, texts: Iterable[str]) -> list[NDArray[np.int32]]:
        """The ids of each text, ``EOS`` at the end; an empty text is ``EOS`` alone."""
        vocabulary = self.vocabulary
        tokenized = self.tokenizer.tokenize(texts)
        return [np.array([*vocabulary.ids(tokens.words), EOS], np.int32) for tokens in tokenized]

    def words(self, ids: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """The words before the first ``EOS``, without ``BOS`` and ``PAD``; ``UNK`` is shown as ``<unk>``."""
        words = []
        for index in map(int, ids):
            if index == EOS:
                break
            if index not in (BOS, PAD):
                words.append(self.vocabulary.words[index])
        return words

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """The ids as text, spaced as the training text was."""
        return detokenize(self.words(ids), self.vocabulary, marked=self.options.case == "marked")

    def save(self, folder: Path, side: str) -> None:
        """Writes ``<side>.vocabulary.tsv`` and ``<side>.codec.json``. side: ``source`` or ``target``."""
        self.vocabulary.save(folder / f"{side}.vocabulary.tsv")
        content = {"language": self.language, "tokenizer": asdict(self.options)}
        write_text(folder / f"{side}.codec.json", json.dumps(content, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, side: str) -> TextCodec:
        """Reads what ``save`` wrote.

        Raises:
            UserError: a file is missing or is not what ``save`` wrote.
        """
        path = folder / f"{side}.codec.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            language, options = str(content["language"]), TokenizerOptions(**content["tokenizer"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path} is not a codec that seqvise wrote: {error}.") from None
        return cls(language, options, Vocabulary.load(folder / f"{side}.vocabulary.tsv"))
