"""Sub-words: SentencePiece models (Kudo and Richardson 2018, arXiv:1808.06226), trained and used."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from random import Random
from typing import Any

from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.segmentation import SPACE, MergeDraws, UnigramDraws
from seqvise.corpus.tokens.vocabulary import BOS, EOS, PAD, SPECIALS, UNK
from seqvise.errors import UserError

SENTENCES = 1_000_000
"""Most sentences that a model is trained on; of more, as many are taken from all over the corpus."""


def train_pieces(lines: Iterable[str], options: TokenizerOptions, name: str) -> bytes:
    """A SentencePiece model of at most ``options.max_words`` pieces beside the four specials, as the bytes of its file.

    Where the text does not yield so many pieces, there are fewer. The same lines give the same bytes.

    Args:
        lines: sentences, cleaned as ``TextTokenizer`` cleans them.
        name: whose text it is, for the message.

    Raises:
        UserError: SentencePiece is not installed, or the pieces asked for are fewer than the characters of the text.
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
            # Text comes cleaned: see `tokenizer.normalise`.
            normalization_rule_name="identity",
            num_threads=1,
            minloglevel=2,
            unk_surface=f" {SPECIALS[UNK]} ",
            **_specials(),
        )
    except RuntimeError as error:
        raise _refused(str(error), options, name) from error
    return model.getvalue()


class Pieces:
    """A trained model at work. It is made when it is first needed, and anew in each process.

    Args:
        model: what ``train_pieces`` gave.
        algorithm: unigram | bpe, which it was trained with.
    """

    def __init__(self, model: bytes, algorithm: str) -> None:
        self.model, self.algorithm = model, algorithm
        self._drawing: tuple[float, UnigramDraws | MergeDraws] | None = None

    @cached_property
    def _processor(self) -> Any:
        return _library().SentencePieceProcessor(model_proto=self.model)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every piece by its id, the four specials first."""
        return tuple(self._processor.id_to_piece(list(range(self._processor.vocab_size()))))

    def split(self, text: str) -> list[str]:
        """The likeliest pieces of a text; ``<unk>`` for characters that have none."""
        return [self.names[index] for index in self._processor.encode(text)]

    def sample(self, text: str, alpha: float, seed: int) -> list[str]:
        """Pieces drawn at random, see ``UnigramDraws`` and ``MergeDraws``.

        Args:
            alpha: of ``unigram``, the power of the probabilities; of ``bpe``, the share of merges left out.
            seed: decides the draw alone, in every process.
        """
        draw, draws = Random(seed).random, self._draws(alpha)
        drawn = (piece for word in text.split() for piece in draws.split(SPACE + word, draw))
        pieces: list[str] = []
        for name in (piece if piece in self._scores else SPECIALS[UNK] for piece in drawn):
            # Characters without a piece that stand together are one unknown, as in `split`.
            if name != SPECIALS[UNK] or pieces[-1:] != [name]:
                pieces.append(name)
        return pieces

    def _draws(self, alpha: float) -> UnigramDraws | MergeDraws:
        if self._drawing is None or self._drawing[0] != alpha:
            kind = MergeDraws if self.algorithm == "bpe" else UnigramDraws
            self._drawing = alpha, kind(self._scores, alpha)
        return self._drawing[1]

    @cached_property
    def _scores(self) -> dict[str, float]:
        ids = range(len(SPECIALS), len(self.names))
        return {self.names[index]: self._processor.get_score(index) for index in ids}

    def join(self, pieces: Sequence[str]) -> str:
        """The text of the pieces, as SentencePiece writes it; an unknown piece stands between spaces."""
        return " ".join(self._processor.decode(list(pieces)).split()) if pieces else ""

    def __reduce__(self) -> tuple[type[Pieces], tuple[bytes, str]]:
        return Pieces, (self.model, self.algorithm)


class EvenSample:
    """Takes lines from all over a text of unknown length: at first each, then every second, fourth, ...

    Args:
        most: lines kept at most.
    """

    def __init__(self, most: int) -> None:
        self._most, self._stride, self._seen = most, 1, 0
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Keeps the line, or passes over it."""
        if self._seen % self._stride == 0:
            self.lines.append(line)
            if len(self.lines) > self._most:
                self.lines, self._stride = self.lines[::2], 2 * self._stride
        self._seen += 1


def _specials() -> dict[str, Any]:
    ids = {"bos": BOS, "pad": PAD, "eos": EOS, "unk": UNK}
    return {f"{name}_id": place for name, place in ids.items()} | {
        f"{name}_piece": SPECIALS[place] for name, place in ids.items()
    }


def _refused(reason: str, options: TokenizerOptions, name: str) -> UserError:
    needed = re.search(r"smaller than required_chars\. \d+ vs (\d+)", reason)
    if needed is None:
        return UserError(f"SentencePiece cannot be trained on the {name} text: {reason}")
    least = int(needed[1]) - len(SPECIALS)
    return UserError(
        f"tokenizer.max_words is {options.max_words}, but the {name} text has {least} different characters, each of "
        f"which is a piece: set it to {least} at least, or lower tokenizer.coverage."
    )


def _library() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise no_sentencepiece() from None
    return sentencepiece


def no_sentencepiece() -> UserError:
    """SentencePiece is not installed."""
    return UserError(
        "tokenizer=sentencepiece needs SentencePiece, which is not installed: `pip install 'seqvise[sentencepiece]'`, "
        "or use tokenizer=words."
    )
