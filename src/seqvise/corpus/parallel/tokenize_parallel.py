"""Batches of pairs become words, by as many processes as there are cores."""

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

ALONE = 16
"""Batches that are split before other processes are started: a small corpus is done sooner without them."""

_BETWEEN = "\x1f"  # white space is folded before a text is split, so no word holds it
_Sent = tuple[list[str], list[bytes]]


class BrokenOffError(UserError):
    """Work that goes on where it was when it is asked for again."""


class PlacedPair(NamedTuple):
    """A pair of sentences on its way to the store.

    Attributes:
        part: that it belongs to.
        pair: source and target.
        place: in the draw of ``data.limit``; the lowest are kept.
    """

    part: str
    pair: Pair
    place: float


class Batch(NamedTuple):
    """Pairs that lie one after another.

    Attributes:
        pairs: those that may be kept: those beyond a limit are left out.
        beyond: how many are beyond it.
        last: the last pair, beyond the limit or not.
    """

    pairs: list[PlacedPair]
    beyond: int
    last: Pair

    @property
    def size(self) -> int:
        """Pairs, those beyond the limit counted."""
        return len(self.pairs) + self.beyond


class Split(NamedTuple):
    """A batch and the words of its pairs."""

    batch: Batch
    sources: Sequence[Tokens]
    targets: Sequence[Tokens]


@dataclass(frozen=True)
class SplitterSpec:
    """What a process needs to split both sides.

    Attributes:
        options: of the tokenizers.
        languages: two-letter codes of source and target.
        models: of sub-words, source and target; None for other tokenizers.
    """

    options: TokenizerOptions
    languages: tuple[str, str]
    models: tuple[bytes | None, bytes | None] = (None, None)

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """Of source and target.

        Raises:
            UserError: see ``build_tokenizer``.
        """
        source, target = (
            build_tokenizer(self.options, language, None if model is None else Pieces(model, self.options.algorithm))
            for language, model in zip(self.languages, self.models, strict=True)
        )
        return source, target


def split_batches(batches: Iterable[Batch], spec: SplitterSpec, workers: int | None) -> Iterator[Split]:
    """The words of every batch, in their order.

    Args:
        batches: drawn ahead of what is given, by two batches a process at most.
        workers: processes; None is one a core that this process may use. One works in this process.

    Raises:
        BrokenOffError: a process was killed.
        UserError: a tokenizer cannot be built.
    """
    tokenizers, batches = spec.tokenizers(), iter(batches)
    processes = 1 if multiprocessing.current_process().daemon else workers or usable_cores()
    first = batches if processes == 1 else islice(batches, ALONE)
    for batch in first:
        sources, targets = _texts(batch)
        yield Split(batch, list(tokenizers[0].tokenize(sources)), list(tokenizers[1].tokenize(targets)))
    for batch in islice(batches, 1):
        yield from _split_by_processes(chain([batch], batches), spec, processes)


def _split_by_processes(batches: Iterator[Batch], spec: SplitterSpec, processes: int) -> Iterator[Split]:
    context = multiprocessing.get_context("spawn")  # threads of this process do not survive a fork
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(spec,)) as pool:
        running: deque[tuple[Batch, Future[tuple[_Sent, _Sent]]]] = deque()
        try:
            for batch in batches:
                running.append((batch, pool.submit(_work, *_texts(batch))))
                if len(running) > 2 * processes:
                    yield _received(*running.popleft())
            while running:
                yield _received(*running.popleft())
        except BrokenProcessPool:
            raise BrokenOffError(
                f"One of {processes} processes that split text into words was killed, perhaps for want of memory: "
                f"start again with data.prepare_workers=1; it goes on from here."
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _texts(batch: Batch) -> tuple[list[str], list[str]]:
    return [placed.pair[0] for placed in batch.pairs], [placed.pair[1] for placed in batch.pairs]


def _received(batch: Batch, words: Future[tuple[_Sent, _Sent]]) -> Split:
    source, target = words.result()
    return Split(batch, _unpacked(source), _unpacked(target))


def _packed(tokens: Iterable[Tokens]) -> _Sent:
    """Few large objects, which cross to another process several times as fast as a word each."""
    found = list(tokens)
    return [_BETWEEN.join(words) for words, _ in found], [bytes(spaced) for _, spaced in found]


def _unpacked(sent: _Sent) -> list[Tokens]:
    return [
        Tokens(words.split(_BETWEEN) if words else [], list(map(bool, spaced)))
        for words, spaced in zip(*sent, strict=True)
    ]


_ours: list[Tokenizer] = []


def _begin(spec: SplitterSpec) -> None:
    init_worker()
    _ours[:] = spec.tokenizers()


def _work(sources: list[str], targets: list[str]) -> tuple[_Sent, _Sent]:
    return _packed(_ours[0].tokenize(sources)), _packed(_ours[1].tokenize(targets))
