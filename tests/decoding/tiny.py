"""Small models and sources, and reference implementations: exhaustive enumeration of all output sentences."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from seqvise.decoding.constraints import max_lengths, min_lengths
from seqvise.decoding.options import DecodingOptions
from seqvise.models.interface import BOS, EOS, PAD, SourceBatch, StepModel
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions

FIRST_OUTPUT_ID = 2  # <eos> is the first id that can be generated


def model(vocab_size: int, seed: int = 0, sharpness: float = 3.0, attention: str = "additive") -> Recurrent:
    """A random model whose outputs differ between sentences and reach ``EOS``."""
    torch.manual_seed(seed)
    options = RecurrentOptions(
        embedding=8,
        encoder_hidden=8,
        encoder_layers=1,
        decoder_hidden=8,
        decoder_layers=1,
        attention=attention,
        bidirectional=True,
    )
    recurrent = Recurrent(options, 20, vocab_size).eval()
    with torch.no_grad():
        for weight in recurrent.parameters():
            weight.mul_(sharpness)
        torch.nn.init.normal_(recurrent.generator.bias)
    return recurrent


def batch(sentences: list[list[int]]) -> SourceBatch:
    rows = [torch.tensor(sentence) for sentence in sentences]
    ids = torch.nn.utils.rnn.pad_sequence(rows, True, PAD)
    return SourceBatch(ids, torch.tensor([len(row) for row in rows]))


def random_sources(count: int, longest: int, seed: int = 0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, longest, (count,), generator=generator).tolist()
    return [[*torch.randint(3, 20, (length,), generator=generator).tolist(), EOS] for length in lengths]


def every_sentence(vocab_size: int, longest: int, shortest: int, options: DecodingOptions) -> Iterator[tuple[int, ...]]:
    """All output sentences: with ``EOS`` after ``shortest`` words or more, or cut at ``longest`` words."""
    open_words = [word for word in range(FIRST_OUTPUT_ID, vocab_size) if word != EOS]
    for length in range(longest + 1):
        for tokens in product(open_words, repeat=length):
            if repeats(tokens, options.block_ngrams):
                continue
            if length == longest:
                yield tokens
            elif length >= shortest:
                yield (*tokens, EOS)


def repeats(tokens: tuple[int, ...], size: int) -> bool:
    grams = [tokens[start : start + size] for start in range(len(tokens) - size + 1)] if size else []
    return len(set(grams)) < len(grams)


def log_prob_of(model: StepModel[Any, Any], source: list[int], tokens: tuple[int, ...]) -> tuple[float, Tensor]:
    """The log-probability of one output sentence, and its attention summed over the steps, with batch size 1."""
    memory = model.encode(batch([source]))
    state, total, coverage = model.init(memory), 0.0, torch.zeros(len(source))
    for before, word in zip((BOS, *tokens[:-1]), tokens, strict=True):
        stepped = model.step(torch.tensor([before]), state, memory)
        state = stepped.state
        total += float(torch.log_softmax(stepped.logits[0].double(), 0)[word])
        if stepped.attention is not None:
            coverage += stepped.attention[0]
    return total, coverage


def score_of(log_prob: float, coverage: Tensor, length: int, options: DecodingOptions) -> float:
    """Equation 14 of Wu et al. 2016, and the average, in Python floats."""
    divisor: float = {"average": float(length), "gnmt": (5 + length) / 6, "none": 1.0}[options.length_penalty]
    missing = sum(float(torch.tensor(min(weight, 1.0)).log()) for weight in coverage.tolist())
    return float(log_prob / divisor**options.alpha + options.coverage * missing)


@torch.no_grad()
def exhaustive(
    model: Recurrent, source: list[int], vocab_size: int, options: DecodingOptions
) -> list[tuple[float, tuple[int, ...]]]:
    """Every output sentence with its score, best first."""
    src = batch([source])
    longest = int(max_lengths(src, options))
    shortest = min(int(min_lengths(src, options)), longest - 1)
    scored = []
    for tokens in every_sentence(vocab_size, longest, shortest, options):
        log_prob, coverage = log_prob_of(model, source, tokens)
        scored.append((score_of(log_prob, coverage, len(tokens), options), tokens))
    return sorted(scored, reverse=True)


def words_of(tokens: Tensor) -> tuple[int, ...]:
    """The words of one hypothesis, without padding."""
    return tuple(token for token in tokens.tolist() if token != PAD)
