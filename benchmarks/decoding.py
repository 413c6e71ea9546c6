"""Greedy and beam search over a file with a trained run, in sentences a second, and JoeyNMT 2.3 beside it.

``--joey`` is the Python of an environment with JoeyNMT (``pip install joeynmt==2.3.0``), which gets the run's own
weights: both compute the same and say the same words, so that neither has shorter sentences to say. Both are given the
same batches of ids, 64 sentences sorted by length, which JoeyNMT by itself would not sort, and then some sentences one
by one; neither's time has text in it. Both search by GNMT's length penalty. Ours is measured in one process with all
threads, as JoeyNMT is, and by as many processes of one thread each, as ``seqvise translate`` does it, these with
``precision=int8`` too, and where the processor is fast at it with ``precision=bf16``. Where the weights do not fit
JoeyNMT's equations, it says which key to train with. In both models the decoder begins with zeros: JoeyNMT's bridge has
a tanh that ours has not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from benchmarks.peers import peer
from seqvise.decoding.decode import decode
from seqvise.decoding.options import DecodingOptions
from seqvise.decoding.quantization import quantized
from seqvise.errors import UserError
from seqvise.inference.translator import batches
from seqvise.machine import has_bf16, keep_memory
from seqvise.models.interface import PAD, SourceBatch, StepModel, source_batch
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.runs.load import Run
from seqvise.runs.model import load_model
from seqvise.workers import can_fork, fork_map

BEAMS = (1, 5)
ROWS = 64
ALONE = 100
"""Sentences that are decoded one by one, at most."""
NEEDED = {"cell": "gru", "bidirectional": True, "attention": "additive", "attention_place": "after"} | {
    "attention_activation": "tanh",
    "input_feeding": True,
    "readout": False,
    "residual": False,
    "layer_norm": False,
}
"""Choices with which our equations are JoeyNMT's."""


class Decoded(NamedTuple):
    """How long it took, and what was said for each sentence, ``EOS`` included."""

    seconds: float
    tokens: list[list[int]]


class Way(NamedTuple):
    """How ours decodes: batches of so many sentences, by so many processes, with weights of this precision."""

    rows: int
    beam: int
    processes: int
    weights: str


def measure_decoding(path: Path, source: Path, joey: Path | None, rounds: int) -> list[dict[str, Any]]:
    """Both in turn; medians, and what follows from them, for each beam.

    Args:
        path: the run directory.
        source: a file of a sentence a line.
        joey: the Python of an environment with JoeyNMT, or None.
        rounds: of each; one more before is not counted.

    Raises:
        UserError: no such run or file, or the run's equations are not JoeyNMT's.
    """
    keep_memory()
    run = Run.open(path)
    if joey is not None:
        _refuse_other_equations(run)
    model, together = load_model(run), source_batches(run, source)
    if joey is not None:
        begin_with_zeros(model)
    models = {"fp32": model, **{precision: quantized(model, precision) for precision in precisions()}}
    return [
        row
        for rows, parts in ((ROWS, together), (1, alone_batches(together)))
        for row in _measure(rows, models, parts, None if joey is None else (joey, joey_sizes(run)), rounds)
    ]


def _measure(
    rows: int,
    models: Mapping[str, nn.Module],
    parts: list[SourceBatch],
    joey: tuple[Path, dict[str, int]] | None,
    rounds: int,
) -> list[dict[str, Any]]:
    ways = [Way(rows, beam, *rest) for beam in BEAMS for rest in ways_to_work(rows)]

    def mine(way: Way) -> Decoded:
        return ours(models[way.weights], parts, way.beam, way.processes)

    if joey is None:
        return [_row(way, [(mine(way), None) for _ in range(rounds + 1)][1:]) for way in ways]
    python, sizes = joey
    given = {
        "sizes": sizes,
        "weights": joey_weights(models["fp32"]),
        "batches": [(part.ids, part.lengths) for part in parts],
    }
    with peer("JoeyNMT", python, Path(__file__).with_name("joey.py"), given) as other:
        return [_row(way, [(mine(way), Decoded(**other.ask(way.beam))) for _ in range(rounds + 1)][1:]) for way in ways]


def ways_to_work(rows: int) -> list[tuple[int, str]]:
    """One process with all threads, and as many as there are threads, these with rounded weights too.

    Sentences that come one by one, which is all that batches of 1 stand for, are one process's.
    """
    most = torch.get_num_threads() if can_fork() and rows > 1 else 1
    return [*((count, "fp32") for count in sorted({1, most})), *((most, precision) for precision in precisions())]


def precisions() -> list[str]:
    """Of rounded weights, those that this processor may be fast at."""
    return ["bf16", "int8"] if has_bf16(torch.device("cpu")) else ["int8"]


def source_batches(run: Run, path: Path) -> list[SourceBatch]:
    """The sentences of a file, sorted by length, in batches, in each the longest first, as JoeyNMT needs them."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"--source {path} cannot be read: {error.strerror}.") from error
    ids = [one for line, one in zip(lines, run.source.encode(lines), strict=True) if line.strip()]
    parts = batches(range(len(ids)), [len(one) for one in ids], ROWS)
    return [source_batch([ids[row] for row in reversed(part)]) for part in parts]


def alone_batches(parts: Sequence[SourceBatch]) -> list[SourceBatch]:
    """Some of the sentences, of all lengths, each by itself."""
    every = [(part, row) for part in parts for row in range(len(part.lengths))]
    some = every[:: -(-len(every) // ALONE)]
    return [SourceBatch(part.ids[[row], : int(part.lengths[row])], part.lengths[[row]]) for part, row in some]


def ours(model: nn.Module, parts: list[SourceBatch], beam: int, processes: int) -> Decoded:
    """Our decoding of every batch."""
    options = DecodingOptions(beam=beam, length_penalty="gnmt", min_length=1)

    def work(part: SourceBatch) -> list[list[int]]:
        found = decode(cast(StepModel[Any, Any], model), part, options)
        return [[token for token in row if token != PAD] for row in found.tokens[:, 0].tolist()]

    start = time.perf_counter()
    # The longest come last, and are begun with where several work.
    done = map(work, parts) if processes == 1 else reversed(fork_map(work, parts[::-1], processes))
    said = [row for rows in done for row in rows]
    return Decoded(time.perf_counter() - start, said)


def begin_with_zeros(model: nn.Module) -> None:
    """Makes the first state of the decoder zeros."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bridge" in name:
                weight.zero_()


def joey_sizes(run: Run) -> dict[str, int]:
    """What JoeyNMT must know to build the run's model."""
    names = ("embedding", "encoder_hidden", "encoder_layers", "decoder_hidden", "decoder_layers")
    words = {"source_words": len(run.source.vocabulary), "target_words": len(run.target.vocabulary)}
    return {name: getattr(run.config.model, name) for name in names} | words


def joey_weights(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights under JoeyNMT's names.

    Our decoder's first layer reads ``M [word; fed] + m``, JoeyNMT's ``[word; fed]`` itself, with a weight twice as
    wide: ``W M``, and the bias ``W m + b``.
    """
    own = {name: weight.detach() for name, weight in model.named_parameters(remove_duplicate=False)}
    decoder = _stacked(own, "decoder.layers", "decoder.rnn", "")
    enter, mix = own["decoder.layers.0.weight_ih_l0"], own["decoder.mix.weight"]
    decoder["decoder.rnn.weight_ih_l0"] = enter @ mix
    decoder["decoder.rnn.bias_ih_l0"] = own["decoder.layers.0.bias_ih_l0"] + enter @ own["decoder.mix.bias"]
    named = {
        "src_embed.lut.weight": "encoder.embedding.weight",
        "trg_embed.lut.weight": "decoder.embedding.weight",
        "decoder.attention.key_layer.weight": "decoder.attention.key.weight",
        "decoder.attention.query_layer.weight": "decoder.attention.query.weight",
        "decoder.attention.query_layer.bias": "decoder.attention.query.bias",
        "decoder.attention.energy_layer.weight": "decoder.attention.score.weight",
        "decoder.att_vector_layer.weight": "decoder.readout.weight",
        "decoder.att_vector_layer.bias": "decoder.readout.bias",
        "decoder.output_layer.weight": "generator.weight",
        "decoder.output_layer.bias": "generator.bias",
    }
    encoder = _stacked(own, "encoder.forwards", "encoder.rnn", "")
    back = _stacked(own, "encoder.backwards", "encoder.rnn", "_reverse")
    return {**encoder, **back, **decoder, **{theirs: own[name] for theirs, name in named.items()}}


def _stacked(own: dict[str, Tensor], layers: str, stack: str, direction: str) -> dict[str, Tensor]:
    """Layers of one each as the layers of one ``nn.GRU``."""
    count = len({name.split(".")[2] for name in own if name.startswith(f"{layers}.")})
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {
        f"{stack}.{kind}_l{layer}{direction}": own[f"{layers}.{layer}.{kind}_l0"]
        for layer in range(count)
        for kind in kinds
    }


def _refuse_other_equations(run: Run) -> None:
    options = run.config.model
    if not isinstance(options, RecurrentOptions):
        raise UserError(f"{run.path} has no recurrent model, so that JoeyNMT cannot get its weights.")
    wrong = [f"model.{name}={str(value).lower()}" for name, value in NEEDED.items() if getattr(options, name) != value]
    if options.decoder_hidden != options.embedding:
        wrong.append(f"model.decoder_hidden={options.embedding}")
    if wrong:
        raise UserError(f"JoeyNMT's equations are not those of {run.path}: train with {' '.join(wrong)}.")


def _row(way: Way, found: Sequence[tuple[Decoded, Decoded | None]]) -> dict[str, Any]:
    said = found[0][0].tokens
    seconds = statistics.median(mine.seconds for mine, _ in found)
    row: dict[str, Any] = {
        **way._asdict(),
        "sentences": len(said),
        "words": statistics.mean(map(len, said)),
        "seconds": seconds,
        "sentences_per_second": len(said) / seconds,
    }
    pairs = [(mine, other) for mine, other in found if other is not None]
    if not pairs:
        return row
    theirs = pairs[0][1].tokens
    other_seconds = statistics.median(other.seconds for _, other in pairs)
    return row | {
        "joey_words": statistics.mean(map(len, theirs)),
        "joey_sentences_per_second": len(theirs) / other_seconds,
        "ratio": statistics.median(other.seconds / mine.seconds for mine, other in pairs),
        "same": statistics.mean(mine == other for mine, other in zip(said, theirs, strict=True)),
    }
