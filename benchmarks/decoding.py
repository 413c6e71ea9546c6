"""Greedy and beam search over a file with a trained run, in sentences per second, compared with JoeyNMT 2.3.

``--joey`` is the Python of an environment with JoeyNMT (``pip install joeynmt==2.3.0``). JoeyNMT uses the weights of
the run, so both compute the same tokens, and neither decodes shorter sentences. Both receive the same batches of ids:
64 sentences sorted by length, which JoeyNMT would not sort, then some single sentences. Text processing is not
measured. Both use GNMT's length penalty. Ours is measured in one process with all threads, like JoeyNMT, and in as many
processes of one thread each, like ``seqvise translate``. The latter also runs with ``precision=int8``, and with
``precision=bf16`` if the CPU supports it well. If the weights do not fit JoeyNMT's equations, the error names the keys
to train with. The decoder starts with zeros in both models: JoeyNMT's bridge has a tanh that ours lacks.
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
"""Maximum number of sentences that are decoded with batch size 1."""
NEEDED = {"cell": "gru", "bidirectional": True, "attention": "additive", "attention_place": "after"} | {
    "attention_activation": "tanh",
    "input_feeding": True,
    "readout": False,
    "residual": False,
    "layer_norm": False,
}
"""Options with which our equations equal JoeyNMT's."""


class Decoded(NamedTuple):
    """Duration, and the tokens of each sentence including ``EOS``."""

    seconds: float
    tokens: list[list[int]]


class Setting(NamedTuple):
    """Settings of our decoding: sentences per batch, beam size, processes, precision of the weights."""

    rows: int
    beam: int
    processes: int
    weights: str


def measure_decoding(path: Path, source: Path, joey: Path | None, rounds: int) -> list[dict[str, Any]]:
    """Measures both in turn; returns medians and ratios for each setting.

    Args:
        path: the run directory.
        source: a file with one sentence per line.
        joey: the Python of an environment with JoeyNMT, or None.
        rounds: measured rounds of each, after one warm-up round.

    Raises:
        UserError: the run or file does not exist, or the run's equations differ from JoeyNMT's.
    """
    keep_memory()
    run = Run.open(path)
    if joey is not None:
        _refuse_other_equations(run)
    model, batched = load_model(run), source_batches(run, source)
    if joey is not None:
        start_with_zeros(model)
    models = {"fp32": model, **{precision: quantized(model, precision) for precision in precisions()}}
    return [
        row
        for rows, parts in ((ROWS, batched), (1, alone_batches(batched)))
        for row in _measure(rows, models, parts, None if joey is None else (joey, joey_sizes(run)), rounds)
    ]


def _measure(
    rows: int,
    models: Mapping[str, nn.Module],
    parts: list[SourceBatch],
    joey: tuple[Path, dict[str, int]] | None,
    rounds: int,
) -> list[dict[str, Any]]:
    settings = [Setting(rows, beam, *rest) for beam in BEAMS for rest in process_settings(rows)]

    def mine(setting: Setting) -> Decoded:
        return ours(models[setting.weights], parts, setting.beam, setting.processes)

    if joey is None:
        return [_row(setting, [(mine(setting), None) for _ in range(rounds + 1)][1:]) for setting in settings]
    python, sizes = joey
    content = {
        "sizes": sizes,
        "weights": joey_weights(models["fp32"]),
        "batches": [(part.ids, part.lengths) for part in parts],
    }
    with peer("JoeyNMT", python, Path(__file__).with_name("joey.py"), content) as other:
        return [
            _row(setting, [(mine(setting), Decoded(**other.call(setting.beam))) for _ in range(rounds + 1)][1:])
            for setting in settings
        ]


def process_settings(rows: int) -> list[tuple[int, str]]:
    """(processes, weights): one process with all threads, and one process per thread, also with quantized weights.

    Batches of 1 represent sentences that arrive separately, so they use one process.
    """
    max_processes = torch.get_num_threads() if can_fork() and rows > 1 else 1
    return [
        *((count, "fp32") for count in sorted({1, max_processes})),
        *((max_processes, precision) for precision in precisions()),
    ]


def precisions() -> list[str]:
    """Precisions of quantized weights that may be fast on this CPU."""
    return ["bf16", "int8"] if has_bf16(torch.device("cpu")) else ["int8"]


def source_batches(run: Run, path: Path) -> list[SourceBatch]:
    """Batches of the sentences of a file, sorted by length, the longest first in each batch, as JoeyNMT requires."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"--source {path} cannot be read: {error.strerror}.") from error
    ids = [tokens for line, tokens in zip(lines, run.source.encode(lines), strict=True) if line.strip()]
    parts = batches(range(len(ids)), [len(tokens) for tokens in ids], ROWS)
    return [source_batch([ids[row] for row in reversed(part)]) for part in parts]


def alone_batches(parts: Sequence[SourceBatch]) -> list[SourceBatch]:
    """Some of the sentences, of all lengths, each in its own batch."""
    all_rows = [(part, row) for part in parts for row in range(len(part.lengths))]
    selected = all_rows[:: -(-len(all_rows) // ALONE)]
    return [SourceBatch(part.ids[[row], : int(part.lengths[row])], part.lengths[[row]]) for part, row in selected]


def ours(model: nn.Module, parts: list[SourceBatch], beam: int, processes: int) -> Decoded:
    """Decodes all batches with seqvise."""
    options = DecodingOptions(beam=beam, length_penalty="gnmt", min_length=1)

    def work(part: SourceBatch) -> list[list[int]]:
        hypotheses = decode(cast(StepModel[Any, Any], model), part, options)
        return [[token for token in row if token != PAD] for row in hypotheses.tokens[:, 0].tolist()]

    start = time.perf_counter()
    # The longest are last; several processes start with them.
    done = map(work, parts) if processes == 1 else reversed(fork_map(work, parts[::-1], processes))
    tokens = [row for rows in done for row in rows]
    return Decoded(time.perf_counter() - start, tokens)


def start_with_zeros(model: nn.Module) -> None:
    """Sets the first state of the decoder to zeros."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bridge" in name:
                weight.zero_()


def joey_sizes(run: Run) -> dict[str, int]:
    """The sizes from which JoeyNMT builds the run's model."""
    names = ("embedding", "encoder_hidden", "encoder_layers", "decoder_hidden", "decoder_layers")
    words = {"source_words": len(run.source.vocabulary), "target_words": len(run.target.vocabulary)}
    return {name: getattr(run.config.model, name) for name in names} | words


def joey_weights(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights under JoeyNMT's names.

    Our decoder's first layer has the input ``M [word; fed] + m``, JoeyNMT's ``[word; fed]``. Its weight is therefore
    twice as wide, ``W M``, and its bias is ``W m + b``.
    """
    weights = {name: weight.detach() for name, weight in model.named_parameters(remove_duplicate=False)}
    decoder = _stacked(weights, "decoder.layers", "decoder.rnn", "")
    input_weight, mix_weight = weights["decoder.layers.0.weight_ih_l0"], weights["decoder.mix.weight"]
    decoder["decoder.rnn.weight_ih_l0"] = input_weight @ mix_weight
    decoder["decoder.rnn.bias_ih_l0"] = (
        weights["decoder.layers.0.bias_ih_l0"] + input_weight @ weights["decoder.mix.bias"]
    )
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
    encoder = _stacked(weights, "encoder.forwards", "encoder.rnn", "")
    back = _stacked(weights, "encoder.backwards", "encoder.rnn", "_reverse")
    return {**encoder, **back, **decoder, **{theirs: weights[name] for theirs, name in named.items()}}


def _stacked(weights: dict[str, Tensor], layers: str, stack: str, direction: str) -> dict[str, Tensor]:
    """Renames separate one-layer GRUs to the layers of one ``nn.GRU``."""
    count = len({name.split(".")[2] for name in weights if name.startswith(f"{layers}.")})
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {
        f"{stack}.{kind}_l{layer}{direction}": weights[f"{layers}.{layer}.{kind}_l0"]
        for layer in range(count)
        for kind in kinds
    }


def _refuse_other_equations(run: Run) -> None:
    options = run.config.model
    if not isinstance(options, RecurrentOptions):
        raise UserError(f"{run.path} has no recurrent model, so JoeyNMT cannot use its weights.")
    overrides = [
        f"model.{name}={str(value).lower()}" for name, value in NEEDED.items() if getattr(options, name) != value
    ]
    if options.decoder_hidden != options.embedding:
        overrides.append(f"model.decoder_hidden={options.embedding}")
    if overrides:
        raise UserError(f"JoeyNMT's equations differ from those of {run.path}: train with {' '.join(overrides)}.")


def _row(setting: Setting, rounds: Sequence[tuple[Decoded, Decoded | None]]) -> dict[str, Any]:
    tokens = rounds[0][0].tokens
    seconds = statistics.median(mine.seconds for mine, _ in rounds)
    row: dict[str, Any] = {
        **setting._asdict(),
        "sentences": len(tokens),
        "words": statistics.mean(map(len, tokens)),
        "seconds": seconds,
        "sentences_per_second": len(tokens) / seconds,
    }
    pairs = [(mine, other) for mine, other in rounds if other is not None]
    if not pairs:
        return row
    theirs = pairs[0][1].tokens
    other_seconds = statistics.median(other.seconds for _, other in pairs)
    return row | {
        "joey_words": statistics.mean(map(len, theirs)),
        "joey_sentences_per_second": len(theirs) / other_seconds,
        "ratio": statistics.median(other.seconds / mine.seconds for mine, other in pairs),
        "same": statistics.mean(mine == other for mine, other in zip(tokens, theirs, strict=True)),
    }
