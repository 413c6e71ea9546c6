"""Options of tokenizers and vocabularies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from seqvise.options import NODE, Options, Problem, at_least, one_of

TOKENIZERS = ("spacy", "words", "spaces", "chars", "sentencepiece")
ALGORITHMS = ("unigram", "bpe")
CASES = ("lower", "marked", "marked_all", "keep")
WORDS = "words"
UNITS = {"chars": "characters", "sentencepiece": "sub-words"}
"""Name of the tokens of a tokenizer that does not split text into words."""
REVISIONS = (1, 2)
"""Revisions of the rules that tokenize and detokenize text. Revision 2 drops lines without a letter, number or sign
and learns which pairs of words are joined."""


@dataclass
class TokenizerOptions(Options):
    """How text is split into tokens, and the size of the vocabulary."""

    name: str = "words"
    case: str = "lower"
    normalise: bool = True  # typographic quotes, dashes, spaces and ellipses to one form each
    max_words: int | None = 40_000  # vocabulary size of each side
    min_count: int = 1
    shared: bool = False  # one vocabulary for both sides
    algorithm: str = "unigram"  # sentencepiece: the algorithm that learns the pieces
    coverage: float = 1.0  # sentencepiece: fraction of the characters of the training part that are in the vocabulary
    sampling: float | None = None  # sentencepiece: training samples another segmentation each epoch
    revision: int = field(default=REVISIONS[-1], compare=False)  # of the rules; all of them split text the same way

    @property
    def units(self) -> str:
        """Name of the tokens: words, sub-words or characters."""
        return UNITS.get(self.name, WORDS)

    def validate(self) -> Iterator[Problem]:
        yield from one_of(self, name=TOKENIZERS, case=CASES, revision=REVISIONS)
        if self.name in ("chars", "sentencepiece") and self.case in ("marked", "marked_all"):
            yield (
                "case",
                f"is '{self.case}', but that marks words, and {NODE}.name={self.name} has none: use lower or keep.",
            )
        yield from at_least(self, 1, "max_words", null="for no limit")
        yield from at_least(self, 1, "min_count")
        yield from self._validate_pieces()

    def _validate_pieces(self) -> Iterator[Problem]:
        yield from one_of(self, algorithm=ALGORITHMS)
        if not 0.98 <= self.coverage <= 1:
            yield "coverage", f"is {self.coverage}, but SentencePiece takes 0.98 to 1."
        if self.sampling is not None and not 0 < self.sampling <= 1:
            yield "sampling", f"is {self.sampling}, but must be above 0 and at most 1, or null not to sample."
        if self.name != "sentencepiece":
            if self.sampling is not None:
                text = f"is {self.sampling}, but only {NODE}.name=sentencepiece has several segmentations."
                yield "sampling", text
            return
        if self.max_words is None:
            yield "max_words", "is null, but sentencepiece needs the number of pieces: set it to 8000."
        if self.min_count > 1:
            yield "min_count", f"is {self.min_count}, but sentencepiece chooses its pieces by itself: leave it at 1."

    def shaping(self) -> dict[str, Any]:
        """The options on which the token ids depend, as plain values."""
        chosen = asdict(self)
        del chosen["sampling"]
        if self.name != "sentencepiece":
            del chosen["algorithm"], chosen["coverage"]
        if self.revision == REVISIONS[0]:
            del chosen["revision"]  # its stores do not have it
        return chosen
