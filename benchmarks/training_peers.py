"""One teacher-forced training step of our models and of other toolkits, in turn, each in its process, on equal batches.

All have a bidirectional GRU encoder and a GRU decoder of two layers, additive attention, tied target embeddings and
softmax, and the vocabulary sizes of fast.ai's lesson 11. Embeddings and decoder have width 300, and so do the two
encoder directions together: OpenNMT-py needs encoder and decoder of equal width, and JoeyNMT a bidirectional encoder.
Both attend after the RNN with input feeding. Ours is measured with these equations, and with those of
``lesson11/attention``, which attends before the RNN.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.alone import RemoteObject
from benchmarks.peers import peer
from benchmarks.training_step import LESSON, SOURCE, Sizes, Steps, make_batches, our_step
from seqvise.models.recurrent.options import RecurrentOptions

WIDTH, LAYERS = 300, 2
LESSON_MODEL = RecurrentOptions(attention="additive", bidirectional=True, encoder_hidden=WIDTH // 2)
OURS = {
    "seqvise, attention of lesson11/attention": LESSON_MODEL,
    "seqvise, with input feeding": replace(LESSON_MODEL, attention_place="after", input_feeding=True),
}
SCRIPTS = {
    "JoeyNMT": Path(__file__).with_name("joey.py"),
    "OpenNMT-py": Path(__file__).with_name("opennmt.py"),
}
WIDTHS = {
    "embedding": WIDTH,
    "encoder_hidden": WIDTH // 2,
    "decoder_hidden": WIDTH,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
}


def measure_training_peers(pythons: Mapping[str, Path], steps: int, sizes: Sizes = LESSON) -> list[dict[str, Any]]:
    """One row for each of our models, then for each toolkit: median seconds per step, and ratios to our models.

    Args:
        pythons: key of ``SCRIPTS`` -> the Python of an environment with the toolkit.
        steps: number of steps and of batches.
        sizes: sizes of the batches.
    """
    batches = make_batches(steps, sizes)
    tokens = statistics.mean(len(batch.real) for batch in batches)
    content = {
        "sizes": {**WIDTHS, "source_words": SOURCE, "target_words": sizes.vocab_size},
        "batches": [(batch.source.ids, batch.source.lengths, batch.target) for batch in batches],
    }
    with ExitStack() as stack:
        models = {name: partial(our_step, 1.0, sizes.vocab_size, options=options) for name, options in OURS.items()}
        ours = {name: stack.enter_context(RemoteObject(Steps, model, steps, sizes)) for name, model in models.items()}
        others = {
            name: stack.enter_context(peer(name, python, SCRIPTS[name], content)) for name, python in pythons.items()
        }
        for other in others.values():
            for index in range(steps):
                other.call(index)
        rounds = [
            {name: remote.call("seconds", index) for name, remote in ours.items()}
            | {name: other.call(index)["seconds"] for name, other in others.items()}
            for index in range(steps)
        ]
    return [_row(name, rounds, tokens) for name in rounds[0]]


def _row(name: str, rounds: list[dict[str, float]], tokens: float) -> dict[str, Any]:
    seconds = statistics.median(seconds_of[name] for seconds_of in rounds)
    ratios = {
        f"ratio_{index}": statistics.median(seconds_of[name] / seconds_of[our_model] for seconds_of in rounds)
        for index, our_model in enumerate(OURS)
    }
    return {"toolkit": name, "seconds": seconds, "tokens_per_second": tokens / seconds, **ratios}
