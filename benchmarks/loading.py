"""A parallel corpus of invented words from its files to batches: pairs prepared a second, and batches a second from the
data module alone, over an epoch after the first.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.alone import alone
from benchmarks.reading import write_corpus
from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.datamodules.parallel import ParallelDataModule

ROWS = 125


class Way(NamedTuple):
    """How text becomes words, and how many processes read beside training."""

    tokenizer: str
    sampling: float | None = None
    workers: int = 0


WAYS = (
    Way("spaces"),
    Way("words"),
    Way("spacy"),
    Way("sentencepiece"),
    Way("sentencepiece", 0.2),
    Way("sentencepiece", 0.2, 1),
)
EXTRAS = ("spacy", "sentencepiece")


def measure_loading(pairs: int, ways: Sequence[Way] = WAYS) -> list[dict[str, Any]]:
    """A row for each way whose package is there."""
    lacking = {name for name in EXTRAS if find_spec(name) is None}
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        alone(write_corpus, corpus, pairs)
        there = [way for way in ways if way.tokenizer not in lacking]
        return [alone(measure, corpus, Path(folder) / f"cache{number}", way) for number, way in enumerate(there)]


def measure(corpus: Path, cache: Path, way: Way) -> dict[str, Any]:
    """Seconds of preparing, the splitting on all cores included, and of an epoch of batches."""
    data = DataOptions(root=str(corpus), train="train", valid_fraction=0.01, batch_size=ROWS, workers=way.workers)
    began = time.perf_counter()
    store = prepare_corpus(data, TokenizerOptions(name=way.tokenizer, sampling=way.sampling), cache)
    prepared = time.perf_counter()
    loader = ParallelDataModule(store, data, 0).train_dataloader()
    for _ in loader:
        pass
    first = time.perf_counter()
    tokens = [len(batch.real) for batch in loader]
    seconds = time.perf_counter() - first
    return {
        "tokenizer": way.tokenizer + ("" if way.sampling is None else ", sampled"),
        "workers": way.workers,
        "pairs_per_second": store.report.read / (prepared - began),
        "batches_per_second": len(tokens) / seconds,
        "tokens_per_second": sum(tokens) / seconds,
    }
