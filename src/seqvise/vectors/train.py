"""fastText trained on the corpus at hand."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from seqvise.errors import UserError
from seqvise.files import digest, digest_file
from seqvise.vectors.binary import fasttext_module, look_up
from seqvise.vectors.options import TrainedOptions
from seqvise.vectors.store import kept
from seqvise.vectors.words import WordVectors

RUNNING_WORDS = 5_000_000
LEAST_EPOCHS, MOST_EPOCHS = 5, 200

Lines = Callable[[], Iterable[Sequence[str]]]


def trained_vectors(lines: Lines, words: Sequence[str], dim: int, options: TrainedOptions, cache: Path) -> WordVectors:
    """Skip-gram vectors of the words, trained once for each text, list of words and options, then kept in the store.

    fastText's threads write to one matrix without locks, so two trainings on the same text differ a little. Runs
    agree because the first one's result is kept; another cache, or an emptied one, gives other vectors.

    Args:
        lines: gives the tokenised sentences of the text.

    Raises:
        UserError: the text is empty for fastText, or fastText is not installed.
    """
    fasttext_module()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        with text.open("w", encoding="utf-8", newline="\n") as file:
            running = 0
            for line in lines():
                running += len(line)
                file.write(f"{' '.join(line)}\n")
        epochs = options.epochs or epochs_for(running)
        origin = digest(json.dumps([digest_file(text), dim, asdict(options), epochs]), 32)
        return kept("trained", origin, words, cache, lambda: _train(text, words, dim, options, epochs))


def epochs_for(running_words: int) -> int:
    """Epochs that make five million running words, but five at least and 200 at most.

    After five epochs over fifty thousand words, fastText's default, all vectors still point the same way (a mean
    cosine of .9999): a model that starts from them cannot tell words apart.
    """
    return min(max(LEAST_EPOCHS, -(-RUNNING_WORDS // max(running_words, 1))), MOST_EPOCHS)


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
            verbose=0,
        )
    except ValueError as error:
        raise UserError(
            f"vectors=trained found no word to train on ({error}): vectors.trained.min_count is {options.min_count}; "
            "lower it, or choose vectors=none."
        ) from None
    return look_up(model, words)
