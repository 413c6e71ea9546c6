"""Trains fastText vectors on the corpus."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from seqvise.errors import UserError
from seqvise.files import digest, digest_file
from seqvise.progress_bar import Count, counting, filtered_stderr
from seqvise.vectors.binary import fasttext_module, look_up
from seqvise.vectors.options import TrainedOptions
from seqvise.vectors.store import cached_vectors
from seqvise.vectors.words import WordVectors

TARGET_TOKENS = 5_000_000
MIN_EPOCHS, MAX_EPOCHS = 5, 200
PRINTED = ("Progress:", "Read ", "Number of words:", "Number of labels:")
"""Beginnings of the lines that fastText prints while it trains."""
PROGRESS = re.compile(r"Progress: +([\d.]+)%")

Lines = Callable[[], Iterable[Sequence[str]]]


def trained_vectors(lines: Lines, words: Sequence[str], dim: int, options: TrainedOptions, cache: Path) -> WordVectors:
    """Skip-gram vectors of words, trained once for each text, list of words and options, and cached in the store.

    fastText's threads update a shared matrix without locks, so training is not deterministic. Runs with the same cache
    use the same vectors; an empty cache yields slightly different ones.

    Args:
        lines: returns the tokenised sentences of the text.

    Raises:
        UserError: fastText finds no word in the text, or is not installed.
    """
    fasttext_module()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        with text.open("w", encoding="utf-8", newline="\n") as file:
            token_count = 0
            for line in lines():
                token_count += len(line)
                file.write(f"{' '.join(line)}\n")
        epochs = options.epochs or epochs_for(token_count)

        def train() -> WordVectors:
            with counting("word vectors", "words") as count, _counted(count, token_count * epochs):
                return _train(text, words, dim, options, epochs)

        origin = digest(json.dumps([digest_file(text), dim, asdict(options), epochs]), 32)
        return cached_vectors("trained", origin, words, cache, train)


def epochs_for(token_count: int) -> int:
    """Epochs for five million running words in all, at least 5 and at most 200.

    After five epochs (fastText's default) over fifty thousand words, all vectors still have the same direction (mean
    cosine .9999): a model that starts from them cannot distinguish words.
    """
    return min(max(MIN_EPOCHS, -(-TARGET_TOKENS // max(token_count, 1))), MAX_EPOCHS)


def _counted(count: Count, total: int) -> AbstractContextManager[None]:
    """Calls ``count`` with the progress that fastText prints, and prints nothing of it."""

    def handle(line: str) -> bool:
        if match := PROGRESS.match(line):
            count(round(float(match[1]) / 100 * total), total)
        return not line or line.startswith(PRINTED)

    return filtered_stderr(handle)


def _train(text: Path, words: Sequence[str], dim: int, options: TrainedOptions, epochs: int) -> WordVectors:
    try:
        model = fasttext_module().train_unsupervised(
            str(text),
            model="skipgram",
            dim=dim,
            epoch=epochs,
            minCount=options.min_count,
            thread=options.threads,
            minn=options.min_n,
            maxn=options.max_n,
            bucket=options.buckets if options.max_n else 0,
            verbose=2,  # writes its progress, which is read
        )
    except ValueError as error:
        raise UserError(
            f"vectors=trained found no word to train on ({error}): vectors.trained.min_count is {options.min_count}; "
            "lower it, or use vectors=none."
        ) from None
    return look_up(model, words)
