"""The decoding benchmark converts our model to an equal JoeyNMT model, and counts the decoded tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks import decoding
from benchmarks.__main__ import main
from benchmarks.decoding import (
    joey_sizes,
    joey_weights,
    measure_decoding,
    ours,
    source_batches,
    start_with_zeros,
)
from benchmarks.machine import code, machine
from results.speed import speed_section
from seqvise.errors import UserError
from seqvise.models.interface import SourceBatch
from seqvise.models.recurrent.model import Recurrent
from seqvise.runs.load import Run
from seqvise.runs.model import load_model
from tests.runs.made import make_run

JOEY = ["model=luong", "model.attention=additive", "model.input_feeding=true", "model.encoder_layers=2"]
LINES = "qui est là ?\noù es-tu ?\n\nque fait-il ?\nqui ?\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "lines").write_text(LINES, encoding="utf-8")
    return make_run(tmp_path / "run", *JOEY)


def stack(weights: dict[str, Tensor], name: str, sizes: tuple[int, int, int], both: bool) -> nn.GRU:
    """JoeyNMT's ``nn.GRU`` with a name. sizes: input, hidden, layers."""
    gru = nn.GRU(*sizes, batch_first=True, bidirectional=both)
    gru.load_state_dict({key.removeprefix(f"{name}."): value for key, value in weights.items() if f"{name}." in key})
    return gru


def joey_logits(weights: dict[str, Tensor], sizes: dict[str, int], src: SourceBatch, words: Tensor) -> Tensor:
    """JoeyNMT's recurrent decoder with teacher forcing, written out: logits (B, T, V)."""
    encoder = (sizes["embedding"], sizes["encoder_hidden"], sizes["encoder_layers"])
    packed = nn.utils.rnn.pack_padded_sequence(weights["src_embed.lut.weight"][src.ids], src.lengths, batch_first=True)
    packed, _ = stack(weights, "encoder.rnn", encoder, True)(packed)
    values, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    width, layers = sizes["decoder_hidden"], sizes["decoder_layers"]
    decoder = stack(weights, "decoder.rnn", (sizes["embedding"] + width, width, layers), False)
    hidden, fed = torch.zeros(layers, len(words), width), torch.zeros(len(words), width)
    logits = []
    for column in words.t():
        inputs = torch.cat([weights["trg_embed.lut.weight"][column], fed], 1)
        _, hidden = decoder(inputs.unsqueeze(1), hidden)
        query = _linear(weights, "decoder.attention.query_layer", hidden[-1]).unsqueeze(1)
        scores = _linear(weights, "decoder.attention.energy_layer", torch.tanh(query + _keys(weights, values)))
        scores = scores.squeeze(2).masked_fill(~src.mask(), float("-inf"))
        context = (scores.softmax(1).unsqueeze(2) * values).sum(1)
        fed = torch.tanh(_linear(weights, "decoder.att_vector_layer", torch.cat([hidden[-1], context], 1)))
        logits.append(_linear(weights, "decoder.output_layer", fed))
    return torch.stack(logits, 1)


def _keys(weights: dict[str, Tensor], values: Tensor) -> Tensor:
    return _linear(weights, "decoder.attention.key_layer", values)


def _linear(weights: dict[str, Tensor], name: str, inputs: Tensor) -> Tensor:
    return nn.functional.linear(inputs, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


@torch.no_grad()
@pytest.mark.parametrize("layers", [1, 2])
def test_converted_weights_give_the_same_logits(tmp_path: Path, layers: int) -> None:
    opened = Run.open(make_run(tmp_path / "run", *JOEY, f"model.decoder_layers={layers}"))
    model = load_model(opened)
    assert isinstance(model, Recurrent)
    start_with_zeros(model)
    src = SourceBatch(torch.tensor([[5, 6, 7, 9, 2], [4, 8, 2, 1, 1]]), torch.tensor([5, 3]))
    words = torch.tensor([[0, 5, 9, 7], [0, 4, 4, 11]])
    memory = model.encode(src)
    state, logits = model.init(memory), []
    for column in words.t():
        stepped = model.step(column, state, memory)
        state = stepped.state
        logits.append(stepped.logits)
    expected = joey_logits(joey_weights(model), joey_sizes(opened), src, words)
    torch.testing.assert_close(torch.stack(logits, 1), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("short", [["int8"], ["bf16", "int8"]])
def test_every_sentence_is_decoded_and_its_tokens_counted(
    run: Path, monkeypatch: pytest.MonkeyPatch, short: list[str]
) -> None:
    lines = run.parent / "lines"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(decoding, "has_bf16", lambda _: "bf16" in short)
    rows = measure_decoding(run, lines, None, 1)
    precise = [(64, 1, "fp32"), (64, 2, "fp32"), *((64, 2, name) for name in short)]
    alone = [(1, 1, name) for name in ("fp32", *short)]
    ways = [(rows, beam, *way) for few in (precise, alone) for beam in (1, 5) for rows, *way in few]
    assert [(row["rows"], row["beam"], row["processes"], row["weights"]) for row in rows] == ways
    assert all(row["sentences"] == 4 for row in rows)
    greedy, parallel, *_ = rows
    assert greedy["words"] == parallel["words"]
    opened = Run.open(run)
    (part,) = source_batches(opened, lines)
    assert part.lengths.tolist() == sorted(part.lengths.tolist(), reverse=True)
    decoded = ours(load_model(opened), [part], 1, 1).tokens
    assert greedy["words"] == pytest.approx(sum(map(len, decoded)) / 4)
    assert greedy["sentences_per_second"] == pytest.approx(4 / greedy["seconds"])


def test_the_page_shows_the_measurements(tmp_path: Path) -> None:
    alone = {
        "rows": 64,
        "beam": 1,
        "processes": 2,
        "weights": "int8",
        "sentences": 1014,
        "words": 12.34,
        "seconds": 2.0,
        "sentences_per_second": 507.0,
    }
    parallel = {**alone, "joey_words": 12.4, "joey_sentences_per_second": 101.0, "ratio": 5.02, "same": 0.9987}
    for row, shown in (
        (alone, ["64", "1", "2", "int8", "12.3", "507"]),
        (parallel, ["64", "1", "2", "int8", "12.3", "507", "101", "5.02", "99.9%"]),
    ):
        content = {"machine": machine(), **code(), "command": "x", "training_step": [], "start_up": []}
        (tmp_path / "x.json").write_text(json.dumps({**content, "decoding": [row]}))
        last = speed_section(tmp_path / "x.json").splitlines()[-1]
        assert [cell.strip() for cell in last.strip("|").split("|")] == shown


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model=attention"],
            "model.bidirectional=true model.attention_place=after model.input_feeding=true",
        ),
        (["model=luong"], "train with model.attention=additive model.input_feeding=true"),
    ],
)
def test_different_equations_are_refused(tmp_path: Path, overrides: list[str], message: str) -> None:
    path = make_run(tmp_path / "run", *overrides)
    with pytest.raises(UserError, match=message):
        measure_decoding(path, tmp_path / "none", Path("python"), 1)


def test_a_missing_file_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "decoding", "--run", str(run), "--source", str(run / "none")])
    assert "none cannot be read: No such file" in capsys.readouterr().err
