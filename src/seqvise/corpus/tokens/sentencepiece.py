"""Trains and applies SentencePiece models of sub-words (Kudo and Richardson 2018, arXiv:1808.06226)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from random import Random
from typing import Any

from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.segmentation import SPACE, BPEDropout, UnigramSampler
from seqvise.corpus.tokens.vocabulary import BOS, EOS, PAD, SPECIALS, UNK
from seqvise.errors import UserError

SENTENCES = 1_000_000
"""Maximum number of sentences that a model is trained on; a larger corpus is sampled at regular intervals."""


def train_pieces(lines: Iterable[str], options: TokenizerOptions, name: str) -> bytes:
    """Trains a SentencePiece model of at most ``options.max_words`` pieces, plus the four special tokens.

    A small text may yield fewer pieces. The same lines always yield the same bytes.

    Args:
        lines: sentences, cleaned by ``text_cleaner``.
        name: name of the text, for messages.

    Returns:
        The bytes of the model file.

    Raises:
        UserError: SentencePiece is not installed, or ``options.max_words`` is below the number of characters of the
            text.
    """
    assert options.max_words is not None
    model = io.BytesIO()
    try:
        _library().SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=options.algorithm,
            vocab_size=options.max_words + len(SPECIALS),
            hard_vocab_limit=False,
            character_coverage=options.coverage,
            # The text is normalised already: see `tokenizer.normalise`.
            normalization_rule_name="identity",
            num_threads=1,
            minloglevel=2,
            unk_surface=f" {SPECIALS[UNK]} ",
            **_specials(),
        )
    except RuntimeError as error:
        raise _training_error(str(error), options, name) from error
    return model.getvalue()


class Pieces:
    """A trained SentencePiece model. It is loaded on first use, in each process.

    Args:
        model: bytes of the model file, from ``train_pieces``.
        algorithm: unigram | bpe, the algorithm of the training.
    """

    def __init__(self, model: bytes, algorithm: str) -> None:
        self.model, self.algorithm = model, algorithm
        self._cached_sampler: tuple[float, UnigramSampler | BPEDropout] | None = None

    @cached_property
    def _processor(self) -> Any:
        return _library().SentencePieceProcessor(model_proto=self.model)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All pieces in the order of their ids; the four special tokens are first."""
        return tuple(self._processor.id_to_piece(list(range(self._processor.vocab_size()))))

    def split(self, text: str) -> list[str]:
        """The most probable segmentation of a text; ``<unk>`` for characters without a piece."""
        return [self.names[index] for index in self._processor.encode(text)]

    def sample(self, text: str, alpha: float, seed: int) -> list[str]:
        """A random segmentation, see ``UnigramSampler`` and ``BPEDropout``.

        Args:
            alpha: ``unigram``: exponent of the probabilities; ``bpe``: probability of dropping a merge.
            seed: the same seed draws the same segmentation in every process.
        """
        draw, sampler = Random(seed).random, self._sampler(alpha)
        drawn = (piece for word in text.split() for piece in sampler.split(SPACE + word, draw))
        pieces: list[str] = []
        for name in (piece if piece in self._scores else SPECIALS[UNK] for piece in drawn):
            # Adjacent characters without a piece become a single <unk>, as in `split`.
            if name != SPECIALS[UNK] or pieces[-1:] != [name]:
                pieces.append(name)
        return pieces

    def _sampler(self, alpha: float) -> UnigramSampler | BPEDropout:
        if self._cached_sampler is None or self._cached_sampler[0] != alpha:
            kind = BPEDropout if self.algorithm == "bpe" else UnigramSampler
            self._cached_sampler = alpha, kind(self._scores, alpha)
        return self._cached_sampler[1]

    @cached_property
    def _scores(self) -> dict[str, float]:
        ids = range(len(SPECIALS), len(self.names))
        return {self.names[index]: self._processor.get_score(index) for index in ids}

    def join(self, pieces: Sequence[str]) -> str:
        """The text of pieces, decoded by SentencePiece; an unknown piece is written between spaces."""
        return " ".join(self._processor.decode(list(pieces)).split()) if pieces else ""

    def __reduce__(self) -> tuple[type[Pieces], tuple[bytes, str]]:
        return Pieces, (self.model, self.algorithm)


class EvenSample:
    """Samples lines of a text of unknown length at regular intervals: every line at first, then every 2nd, 4th, ...

    Args:
        max_lines: maximum number of lines kept.
    """

    def __init__(self, max_lines: int) -> None:
        self._max_lines, self._stride, self._seen = max_lines, 1, 0
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Keeps or skips a line."""
        if self._seen % self._stride == 0:
            self.lines.append(line)
            if len(self.lines) > self._max_lines:
                self.lines, self._stride = self.lines[::2], 2 * self._stride
        self._seen += 1


def _specials() -> dict[str, Any]:
    ids = {"bos": BOS, "pad": PAD, "eos": EOS, "unk": UNK}
    return {f"{name}_id": index for name, index in ids.items()} | {
        f"{name}_piece": SPECIALS[index] for name, index in ids.items()
    }


def _training_error(reason: str, options: TokenizerOptions, name: str) -> UserError:
    required = re.search(r"smaller than required_chars\. \d+ vs (\d+)", reason)
    if required is None:
        return UserError(f"SentencePiece cannot be trained on the {name} text: {reason}")
    minimum = int(required[1]) - len(SPECIALS)
    return UserError(
        f"tokenizer.max_words is {options.max_words}, but the {name} text has {minimum} different characters, each of "
        f"which is a piece: set it to at least {minimum}, or lower tokenizer.coverage."
    )


def _library() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise no_sentencepiece() from None
    return sentencepiece


def no_sentencepiece() -> UserError:
    """The error if SentencePiece is not installed."""
    return UserError(
        "tokenizer=sentencepiece needs SentencePiece, which is not installed: `pip install 'seqvise[sentencepiece]'`, "
        "or use tokenizer=words."
    )
