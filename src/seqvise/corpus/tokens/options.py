"""Options of tokenizers and vocabularies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

TOKENIZERS = ("spacy", "words", "spaces", "chars", "sentencepiece")
ALGORITHMS = ("unigram", "bpe")
CASES = ("lower", "marked", "keep")
REVISIONS = (1, 2)
"""Of the rules by which text becomes words and back. 2 drops lines without a letter, number or sign, and learns which
pairs of words are joined."""


@dataclass
class TokenizerOptions:
    """How text becomes words and words become ids."""

    name: str = "spacy"
    case: str = "lower"
    normalise: bool = True  # typographic quotes, dashes, spaces and ellipses to one form each
    max_words: int | None = 40_000  # a side
    min_count: int = 1
    shared: bool = False  # one vocabulary for both sides
    algorithm: str = "unigram"  # sentencepiece: how its pieces are found
    coverage: float = 1.0  # sentencepiece: share of the training part's characters that get an id
    sampling: float | None = None  # sentencepiece: training draws another segmentation each epoch
    revision: int = field(default=REVISIONS[-1], compare=False)  # of the rules; texts are split alike by all

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if self.name not in TOKENIZERS:
            yield f"{key}.name is '{self.name}', but must be one of {', '.join(TOKENIZERS)}."
        if self.case not in CASES:
            yield f"{key}.case is '{self.case}', but must be one of {', '.join(CASES)}."
        if self.name in ("chars", "sentencepiece") and self.case == "marked":
            yield (
                f"{key}.case is 'marked', but that marks words, and {key}.name={self.name} has none: use lower or keep."
            )
        if self.max_words is not None and self.max_words < 1:
            yield f"{key}.max_words is {self.max_words}, but must be at least 1, or null for no limit."
        if self.min_count < 1:
            yield f"{key}.min_count is {self.min_count}, but must be at least 1."
        if self.revision not in REVISIONS:
            yield f"{key}.revision is {self.revision}, but must be one of {', '.join(map(str, REVISIONS))}."
        yield from self._problems_of_pieces(key)

    def _problems_of_pieces(self, key: str) -> Iterator[str]:
        if self.algorithm not in ALGORITHMS:
            yield f"{key}.algorithm is '{self.algorithm}', but must be one of {', '.join(ALGORITHMS)}."
        if not 0.98 <= self.coverage <= 1:
            yield f"{key}.coverage is {self.coverage}, but SentencePiece takes 0.98 to 1."
        if self.sampling is not None and not 0 < self.sampling <= 1:
            yield f"{key}.sampling is {self.sampling}, but must be above 0 and at most 1, or null not to sample."
        if self.name != "sentencepiece":
            if self.sampling is not None:
                yield f"{key}.sampling is {self.sampling}, but only {key}.name=sentencepiece has several segmentations."
            return
        if self.max_words is None:
            yield f"{key}.max_words is null, but sentencepiece must be told how many pieces to find: set it to 8000."
        if self.min_count > 1:
            yield f"{key}.min_count is {self.min_count}, but sentencepiece chooses its pieces by itself: leave it at 1."

    def shaping(self) -> dict[str, Any]:
        """The choices that shape the ids, as plain values."""
        chosen = asdict(self)
        del chosen["sampling"]
        if self.name != "sentencepiece":
            del chosen["algorithm"], chosen["coverage"]
        if self.revision == REVISIONS[0]:
            del chosen["revision"]  # its stores do not have it
        return chosen
