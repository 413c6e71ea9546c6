"""Tokenises batches of pairs in several processes."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from seqvise.corpus.parallel.readers import Pair
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.sentencepiece import Pieces
from seqvise.corpus.tokens.tokenizers import Tokenizer, Tokens, build_tokenizer
from seqvise.errors import UserError
from seqvise.machine import usable_cores
from seqvise.workers import init_worker

INLINE_BATCHES = 16
"""Batches that are tokenised before worker processes are started: a small corpus is faster without them."""

_SEPARATOR = "\x1f"  # white space is folded before tokenisation, so no token contains this character
_PackedTokens = tuple[list[str], list[bytes]]


class WorkerKilledError(UserError):
    """A worker process was killed; the next call resumes the work."""


class AssignedPair(NamedTuple):
    """A pair of sentences with its part.

    Attributes:
        part: ``train``, ``valid`` or ``test``.
        pair: source and target.
        rank: rank in the draw of ``data.limit``; the lowest are kept.
    """

    part: str
    pair: Pair
    rank: float


class Batch(NamedTuple):
    """Consecutive pairs.

    Attributes:
        pairs: the pairs that may be kept, without those beyond ``data.limit``.
        beyond: number of pairs beyond the limit.
        last: the last pair, including those beyond the limit.
    """

    pairs: list[AssignedPair]
    beyond: int
    last: Pair

    @property
    def size(self) -> int:
        """Number of pairs, including those beyond the limit."""
        return len(self.pairs) + self.beyond


class TokenizedBatch(NamedTuple):
    """A batch and the tokens of its pairs."""

    batch: Batch
    sources: Sequence[Tokens]
    targets: Sequence[Tokens]


@dataclass(frozen=True)
class TokenizerSpec:
    """Settings from which a process builds the tokenizers of both sides.

    Attributes:
        languages: two-letter codes of source and target.
        models: sub-word models of source and target; None for other tokenizers.
    """

    options: TokenizerOptions
    languages: tuple[str, str]
    models: tuple[bytes | None, bytes | None] = (None, None)

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """Builds the tokenizers of source and target.

        Raises:
            UserError: see ``build_tokenizer``.
        """
        source, target = (
            build_tokenizer(self.options, language, None if model is None else Pieces(model, self.options.algorithm))
            for language, model in zip(self.languages, self.models, strict=True)
        )
        return source, target


def tokenize_batches(batches: Iterable[Batch], spec: TokenizerSpec, workers: int | None) -> Iterator[TokenizedBatch]:
    """Tokenises batches, in order.

    Args:
        batches: consumed ahead of the output, by at most two batches per process.
        workers: number of processes; None: one per usable core. With 1, no process is started.

    Raises:
        WorkerKilledError: a process was killed.
        UserError: a tokenizer cannot be built.
    """
    tokenizers, batches = spec.tokenizers(), iter(batches)
    processes = 1 if multiprocessing.current_process().daemon else workers or usable_cores()
    first = batches if processes == 1 else islice(batches, INLINE_BATCHES)
    for batch in first:
        sources, targets = _texts(batch)
        yield TokenizedBatch(batch, list(tokenizers[0].tokenize(sources)), list(tokenizers[1].tokenize(targets)))
    for batch in islice(batches, 1):
        yield from _tokenize_in_processes(chain([batch], batches), spec, processes)


def _tokenize_in_processes(batches: Iterator[Batch], spec: TokenizerSpec, processes: int) -> Iterator[TokenizedBatch]:
    context = multiprocessing.get_context("spawn")  # threads of this process do not survive a fork
    with ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=(spec,)) as pool:
        running: deque[tuple[Batch, Future[tuple[_PackedTokens, _PackedTokens]]]] = deque()
        try:
            for batch in batches:
                running.append((batch, pool.submit(_tokenize, *_texts(batch))))
                if len(running) > 2 * processes:
                    yield _received(*running.popleft())
            while running:
                yield _received(*running.popleft())
        except BrokenProcessPool:
            raise WorkerKilledError(
                f"One of {processes} tokenizer processes was killed, perhaps for lack of memory: run the command again "
                f"with data.prepare_workers=1; it resumes from here."
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _texts(batch: Batch) -> tuple[list[str], list[str]]:
    return [placed.pair[0] for placed in batch.pairs], [placed.pair[1] for placed in batch.pairs]


def _received(batch: Batch, tokens: Future[tuple[_PackedTokens, _PackedTokens]]) -> TokenizedBatch:
    source, target = tokens.result()
    return TokenizedBatch(batch, _unpacked(source), _unpacked(target))


def _packed(tokens: Iterable[Tokens]) -> _PackedTokens:
    """One string per sentence: sent to another process several times as fast as one string per token."""
    sentences = list(tokens)
    return [_SEPARATOR.join(words) for words, _ in sentences], [bytes(spaced) for _, spaced in sentences]


def _unpacked(packed: _PackedTokens) -> list[Tokens]:
    return [
        Tokens(words.split(_SEPARATOR) if words else [], list(map(bool, spaced)))
        for words, spaced in zip(*packed, strict=True)
    ]


_tokenizers: list[Tokenizer] = []
"""Of source and target, in a worker process."""


def _start_worker(spec: TokenizerSpec) -> None:
    init_worker()
    _tokenizers[:] = spec.tokenizers()


def _tokenize(sources: list[str], targets: list[str]) -> tuple[_PackedTokens, _PackedTokens]:
    return _packed(_tokenizers[0].tokenize(sources)), _packed(_tokenizers[1].tokenize(targets))
