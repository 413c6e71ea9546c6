"""How fast pairs are read and filtered, and in how much memory: generated corpora, each in a process of its own.

    python -m benchmarks.reading [--pairs 100000 500000 1000000] [--json FILE]

Reading and filtering is all that is done to a pair before it is split into words: two UTF-8 files, white space folded,
empty sides, long lines, NUL bytes, copies and repeats (a tenth of the pairs) found. Peak memory is what the process has
held at most beyond what it held before the first pair; the generator writes to the disk and is not counted.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from seqvise.corpus.identity import corpus_inputs
from seqvise.corpus.intake import kept_blocks
from seqvise.corpus.options import DataOptions
from seqvise.corpus.tally import Tally
from seqvise.files import write_text

PAIRS = (100_000, 500_000, 1_000_000)
REPEATS = 10  # one pair in so many was there before
_WORDS = 50_000
_BATCH = 10_000
_COLUMNS = {
    "pairs": ("pairs", ",d"),
    "kept": ("kept", ",d"),
    "megabytes": ("MB of text", ",.0f"),
    "seconds": ("seconds", ",.2f"),
    "rate": ("pairs/s", ",.0f"),
    "peak_mib": ("peak MiB", ",.1f"),
    "recent_rate": ("pairs/s, recent repeats", ",.0f"),
    "recent_peak_mib": ("peak MiB", ",.1f"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints a table, and writes the JSON file where one is asked for."""
    words = argparse.ArgumentParser(
        prog="python -m benchmarks.reading", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--pairs", type=int, nargs="+", default=PAIRS, metavar="N", help="sizes of the corpora")
    words.add_argument("--json", type=Path, metavar="FILE", help="receives the numbers")
    arguments = words.parse_args(argv)
    rows = [measure_reading(pairs) for pairs in arguments.pairs]
    Console().print(_table(rows))
    if arguments.json:
        from benchmarks.machine import code, machine  # they import torch, which the measured processes do without

        measured = {**code(), "machine": machine(), "reading": rows}
        write_text(arguments.json, json.dumps(measured, indent=2, ensure_ascii=False) + "\n")
    return 0


def measure_reading(pairs: int) -> dict[str, float]:
    """Seconds, pairs a second of one core, and peak MiB, with every pair remembered and with recent ones only."""
    with tempfile.TemporaryDirectory() as folder:
        size = _alone(write_corpus, Path(folder), pairs)
        exact = _alone(read_corpus, Path(folder), True)
        recent = _alone(read_corpus, Path(folder), False)
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
    tally, before = Tally(), _peak()
    started = time.process_time()
    with corpus_inputs(data, folder) as (item,):
        kept = sum(len(block) for block, _ in kept_blocks(item, data, tally))
    seconds = time.process_time() - started
    return {"kept": kept, "seconds": seconds, "rate": tally.read / seconds, "peak_mib": _peak() - before}


def _alone(function: Any, *arguments: Any) -> Any:
    # Peak memory of a process only grows, and what a fork inherits would count.
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _batches(pairs: int) -> Iterator[int]:
    for start in range(0, pairs, _BATCH):
        yield min(_BATCH, pairs - start)


def _lines(words: list[str], count: int, draw: Random) -> list[str]:
    return [f"{' '.join(draw.choices(words, k=draw.randint(4, 20)))} .\n" for _ in range(count)]


def _peak() -> float:
    """MiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _table(rows: list[dict[str, float]]) -> Table:
    table = Table(title="Reading and filtering, one core", title_justify="left")
    for head, _ in _COLUMNS.values():
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*(format(row[name], text) for name, (_, text) in _COLUMNS.items()))
    return table


if __name__ == "__main__":
    sys.exit(main())
