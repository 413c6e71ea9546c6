import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from seqvise.corpus.parallel import tokenize_parallel
from seqvise.corpus.parallel.tokenize_parallel import (
    AssignedPair,
    Batch,
    TokenizerSpec,
    WorkerKilledError,
    tokenize_batches,
)
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.tokenizers import Tokens, build_tokenizer

SPEC = TokenizerSpec(TokenizerOptions(name="words", case="marked"), ("fr", "en"))


def batches(count: int) -> Iterator[Batch]:
    for number in range(count):
        texts = [(f"L'eau, {number} {line} OUI", "" if line == 1 else f"Water {line}!") for line in range(3)]
        yield Batch([AssignedPair("train", pair, 0.0) for pair in texts], number % 2, texts[-1])


def test_several_processes_return_the_batches_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenize_parallel, "INLINE_BATCHES", 2)
    inline = list(tokenize_batches(batches(9), SPEC, 1))
    assert list(tokenize_batches(batches(9), SPEC, 2)) == inline
    first, tokenizer = inline[0].batch.pairs[0], build_tokenizer(SPEC.options, "fr")
    assert inline[0].sources[0] == next(tokenizer.tokenize([first.pair[0]]))
    assert inline[0].targets[1] == Tokens([], [])


def test_a_killed_process_is_reported_and_the_others_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenize_parallel, "INLINE_BATCHES", 1)
    before = tokenizer_processes()
    results = tokenize_batches(batches(10_000), SPEC, 2)
    list(islice(results, 3))
    children = tokenizer_processes() - before
    assert len(children) == 2
    os.kill(min(children), signal.SIGKILL)
    with pytest.raises(WorkerKilledError, match=r"data\.prepare_workers=1; it resumes"):
        list(results)
    deadline = time.monotonic() + 60
    while tokenizer_processes() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert tokenizer_processes() <= before


def tokenizer_processes() -> set[int]:
    """Process ids of the running children of this process."""
    return {child.pid for child in multiprocessing.active_children() if child.pid is not None}
