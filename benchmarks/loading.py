"""Loading of a generated parallel corpus: pairs prepared per second, and batches per second of the data module alone in
an epoch after the first.
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


class Setting(NamedTuple):
    """Tokenizer, subword sampling, and number of data loader workers."""

    tokenizer: str
    sampling: float | None = None
    workers: int = 0


SETTINGS = (
    Setting("spaces"),
    Setting("words"),
    Setting("spacy"),
    Setting("sentencepiece"),
    Setting("sentencepiece", 0.2),
    Setting("sentencepiece", 0.2, 1),
)
EXTRAS = ("spacy", "sentencepiece")


def measure_loading(pairs: int, settings: Sequence[Setting] = SETTINGS) -> list[dict[str, Any]]:
    """One row for each setting whose tokenizer is installed."""
    missing = {name for name in EXTRAS if find_spec(name) is None}
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        alone(write_corpus, corpus, pairs)
        available = [setting for setting in settings if setting.tokenizer not in missing]
        return [
            alone(measure, corpus, Path(folder) / f"cache{number}", setting) for number, setting in enumerate(available)
        ]


def measure(corpus: Path, cache: Path, setting: Setting) -> dict[str, Any]:
    """Rates of preparation, including tokenization on all cores, and of batches in one epoch."""
    data = DataOptions(root=str(corpus), train="train", valid_fraction=0.01, batch_size=ROWS, workers=setting.workers)
    start = time.perf_counter()
    store = prepare_corpus(data, TokenizerOptions(name=setting.tokenizer, sampling=setting.sampling), cache)
    prepared = time.perf_counter()
    loader = ParallelDataModule(store, data, 0).train_dataloader()
    for _ in loader:
        pass
    first = time.perf_counter()
    tokens = [len(batch.real) for batch in loader]
    seconds = time.perf_counter() - first
    return {
        "tokenizer": setting.tokenizer + ("" if setting.sampling is None else ", sampled"),
        "workers": setting.workers,
        "pairs_per_second": store.report.read / (prepared - start),
        "batches_per_second": len(tokens) / seconds,
        "tokens_per_second": sum(tokens) / seconds,
    }
