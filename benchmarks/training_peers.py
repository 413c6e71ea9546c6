"""One forced training step of ours and of other toolkits, in turn, each in its process, over the same batches.

All have a bidirectional GRU encoder and a GRU decoder of two layers, additive attention, one weight for target
embeddings and softmax, and the lesson's vocabularies. Vectors and the decoder have 300 numbers, and so have the
encoder's two directions together: OpenNMT-py's two parts have to be equally wide, and JoeyNMT's encoder cannot do with
one direction. Both have attention behind the RNN and feed it into the next step: ours is measured with these equations,
and with those of ``lesson11/attention``, whose attention comes before the RNN.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.alone import Side
from benchmarks.peers import peer
from benchmarks.training_step import LESSON, SOURCE, Sizes, Steps, make_batches, our_step
from seqvise.models.recurrent.options import RecurrentOptions

WIDTH, LAYERS = 300, 2
LESSON_WAY = RecurrentOptions(attention="additive", bidirectional=True, encoder_hidden=WIDTH // 2)
OURS = {
    "seqvise, attention of lesson11/attention": LESSON_WAY,
    "seqvise, with input feeding": replace(LESSON_WAY, attention_place="after", input_feeding=True),
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
    """A row for each way of ours, then for each toolkit: median seconds a step, and how many times ours is faster.

    Args:
        pythons: a key of ``SCRIPTS`` -> the Python of an environment that has the toolkit.
        steps: over as many batches.
        sizes: of the batches.
    """
    batches = make_batches(steps, sizes)
    tokens = statistics.mean(len(batch.real) for batch in batches)
    given = {
        "sizes": {**WIDTHS, "source_words": SOURCE, "target_words": sizes.words},
        "batches": [(batch.source.ids, batch.source.lengths, batch.target) for batch in batches],
    }
    with ExitStack() as stack:
        ways = {name: partial(our_step, 1.0, sizes.words, options=options) for name, options in OURS.items()}
        ours = {name: stack.enter_context(Side(Steps, way, steps, sizes)) for name, way in ways.items()}
        others = {
            name: stack.enter_context(peer(name, python, SCRIPTS[name], given)) for name, python in pythons.items()
        }
        for other in others.values():
            for place in range(steps):
                other.ask(place)
        rounds = [
            {name: side.ask("seconds", place) for name, side in ours.items()}
            | {name: other.ask(place)["seconds"] for name, other in others.items()}
            for place in range(steps)
        ]
    return [_row(name, rounds, tokens) for name in rounds[0]]


def _row(name: str, rounds: list[dict[str, float]], tokens: float) -> dict[str, Any]:
    seconds = statistics.median(taken[name] for taken in rounds)
    slower = {
        f"ratio_{index}": statistics.median(taken[name] / taken[own] for taken in rounds)
        for index, own in enumerate(OURS)
    }
    return {"toolkit": name, "seconds": seconds, "tokens_per_second": tokens / seconds, **slower}
