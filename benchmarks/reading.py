"""Speed and memory of reading and filtering generated corpora, each in a separate process.

Reading and filtering covers all steps before tokenization: reading two UTF-8 files, normalizing white space, and
finding empty sides, long lines, NUL bytes, copies and repeats (a tenth of the pairs). Peak memory is relative to that
before the first pair; the generator writes to disk and is not counted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from benchmarks.alone import alone, peak_mib
from seqvise.corpus.parallel.fingerprint import corpus_inputs
from seqvise.corpus.parallel.ingest import kept_blocks
from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.report import FilterCounts

PAIRS, QUICK_PAIRS = (100_000, 500_000, 1_000_000, 2_000_000, 5_000_000), (20_000,)
REPEATS = 10  # one pair in this many is a repeat
_WORDS = 50_000
_BATCH = 10_000


def measure_readings(sizes: Sequence[int]) -> list[dict[str, float]]:
    """One row for each corpus size in pairs."""
    return [measure_reading(pairs) for pairs in sizes]


def measure_reading(pairs: int) -> dict[str, float]:
    """Seconds, pairs per second on one core, and peak MiB, with repeats found among all pairs and among recent ones."""
    with tempfile.TemporaryDirectory() as folder:
        size = alone(write_corpus, Path(folder), pairs)
        exact = alone(read_corpus, Path(folder), True)
        recent = alone(read_corpus, Path(folder), False)
    return {
        "pairs": pairs,
        "megabytes": size / 1e6,
        **exact,
        "recent_rate": recent["rate"],
        "recent_peak_mib": recent["peak_mib"],
    }


def write_corpus(folder: Path, pairs: int) -> int:
    """Writes ``train.fr`` and ``train.en`` with 4 to 20 generated words per line; returns their size in bytes."""
    generator = Random(pairs)
    words = ["".join(generator.choices("aàbcdeéfghilmnoprstuv’", k=generator.randint(1, 9))) for _ in range(_WORDS)]
    with (folder / "train.fr").open("w", encoding="utf-8") as source, (folder / "train.en").open("w") as target:
        for count in _batches(pairs):
            fresh = count - count // REPEATS
            left, right = (
                _lines(words, fresh, generator),
                _lines([word for word in words if word.isascii()], fresh, generator),
            )
            repeats = generator.sample(range(fresh), count - fresh)
            source.writelines([*left, *(left[index] for index in repeats)])
            target.writelines([*right, *(right[index] for index in repeats)])
    return sum(path.stat().st_size for path in folder.iterdir())


def read_corpus(folder: Path, exact: bool) -> dict[str, float]:
    """Reads and filters the corpus of ``write_corpus``."""
    data = DataOptions(root=str(folder), train="train", exact_duplicates=exact)
    counts, before = FilterCounts(), peak_mib()
    started = time.process_time()
    with corpus_inputs(data, folder) as (item,):
        kept = sum(len(block) for block, _ in kept_blocks(item, data, counts))
    seconds = time.process_time() - started
    return {"kept": kept, "seconds": seconds, "rate": counts.read / seconds, "peak_mib": peak_mib() - before}


def _batches(pairs: int) -> Iterator[int]:
    for start in range(0, pairs, _BATCH):
        yield min(_BATCH, pairs - start)


def _lines(words: list[str], count: int, generator: Random) -> list[str]:
    return [f"{' '.join(generator.choices(words, k=generator.randint(4, 20)))} .\n" for _ in range(count)]
