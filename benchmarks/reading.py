"""How fast pairs are read and filtered, and in how much memory: generated corpora, each in a process of its own.

Reading and filtering is all that is done to a pair before it is split into words: two UTF-8 files, white space folded,
empty sides, long lines, NUL bytes, copies and repeats (a tenth of the pairs) found. Peak memory is what the process has
held at most beyond what it held before the first pair; the generator writes to the disk and is not counted.
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
REPEATS = 10  # one pair in so many was there before
_WORDS = 50_000
_BATCH = 10_000


def measure_readings(sizes: Sequence[int]) -> list[dict[str, float]]:
    """A row for each size of corpus, in pairs."""
    return [measure_reading(pairs) for pairs in sizes]


def measure_reading(pairs: int) -> dict[str, float]:
    """Seconds, pairs a second of one core, and peak MiB, with every pair remembered and with recent ones only."""
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
    """Writes ``train.fr`` and ``train.en`` of invented words, 4 to 20 a line, and gives their bytes."""
    draw = Random(pairs)
    words = ["".join(draw.choices("aàbcdeéfghilmnoprstuv’", k=draw.randint(1, 9))) for _ in range(_WORDS)]
    with (folder / "train.fr").open("w", encoding="utf-8") as source, (folder / "train.en").open("w") as target:
        for count in _batches(pairs):
            fresh = count - count // REPEATS
            left, right = _lines(words, fresh, draw), _lines([word for word in words if word.isascii()], fresh, draw)
            again = draw.sample(range(fresh), count - fresh)
            source.writelines([*left, *(left[index] for index in again)])
            target.writelines([*right, *(right[index] for index in again)])
    return sum(path.stat().st_size for path in folder.iterdir())


def read_corpus(folder: Path, exact: bool) -> dict[str, float]:
    """Reads and filters what ``write_corpus`` wrote."""
    data = DataOptions(root=str(folder), train="train", exact_duplicates=exact)
    tally, before = FilterCounts(), peak_mib()
    started = time.process_time()
    with corpus_inputs(data, folder) as (item,):
        kept = sum(len(block) for block, _ in kept_blocks(item, data, tally))
    seconds = time.process_time() - started
    return {"kept": kept, "seconds": seconds, "rate": tally.read / seconds, "peak_mib": peak_mib() - before}


def _batches(pairs: int) -> Iterator[int]:
    for start in range(0, pairs, _BATCH):
        yield min(_BATCH, pairs - start)


def _lines(words: list[str], count: int, draw: Random) -> list[str]:
    return [f"{' '.join(draw.choices(words, k=draw.randint(4, 20)))} .\n" for _ in range(count)]
