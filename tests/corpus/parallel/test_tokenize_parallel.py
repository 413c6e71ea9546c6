import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from seqvise.corpus.parallel import tokenize_parallel
from seqvise.corpus.parallel.tokenize_parallel import Batch, BrokenOffError, PlacedPair, SplitterSpec, split_batches
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.corpus.tokens.tokenizers import Tokens, build_tokenizer

SPEC = SplitterSpec(TokenizerOptions(name="words", case="marked"), ("fr", "en"))


def batches(count: int) -> Iterator[Batch]:
    for number in range(count):
        texts = [(f"L'eau, {number} {line} OUI", "" if line == 1 else f"Water {line}!") for line in range(3)]
        yield Batch([PlacedPair("train", pair, 0.0) for pair in texts], number % 2, texts[-1])


def test_many_processes_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenize_parallel, "ALONE", 2)
    alone = list(split_batches(batches(9), SPEC, 1))
    assert list(split_batches(batches(9), SPEC, 2)) == alone
    first, tokenizer = alone[0].batch.pairs[0], build_tokenizer(SPEC.options, "fr")
    assert alone[0].sources[0] == next(tokenizer.tokenize([first.pair[0]]))
    assert alone[0].targets[1] == Tokens([], [])


def test_a_killed_process_is_told_and_the_others_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenize_parallel, "ALONE", 1)
    before = splitters()
    results = split_batches(batches(10_000), SPEC, 2)
    list(islice(results, 3))
    children = splitters() - before
    assert len(children) == 2
    os.kill(min(children), signal.SIGKILL)
    with pytest.raises(BrokenOffError, match=r"data\.prepare_workers=1; it goes on"):
        list(results)
    deadline = time.monotonic() + 60
    while splitters() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert splitters() <= before


def splitters() -> set[int]:
    """Process ids of this process's own children that run."""
    return {child.pid for child in multiprocessing.active_children() if child.pid is not None}
