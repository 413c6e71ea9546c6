"""Small models and sources, and decoding written out plainly: every sentence there is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from seqvise.decoding.constraints import least_words, most_words
from seqvise.decoding.options import DecodingOptions
from seqvise.models.interface import BOS, EOS, PAD, SourceBatch, StepModel
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions

SAYABLE = 2  # <eos> is the first id that can be said


def model(words: int, seed: int = 0, sharpness: float = 3.0, attention: str = "additive") -> Recurrent:
    """A random model whose sentences differ and end."""
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
    made = Recurrent(options, 20, words).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(sharpness)
        torch.nn.init.normal_(made.generator.bias)
    return made


def batch(sentences: list[list[int]]) -> SourceBatch:
    rows = [torch.tensor(sentence) for sentence in sentences]
    ids = torch.nn.utils.rnn.pad_sequence(rows, True, PAD)
    return SourceBatch(ids, torch.tensor([len(row) for row in rows]))


def random_sources(count: int, longest: int, seed: int = 0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, longest, (count,), generator=generator).tolist()
    return [[*torch.randint(3, 20, (length,), generator=generator).tolist(), EOS] for length in lengths]


def every_sentence(words: int, most: int, least: int, options: DecodingOptions) -> Iterator[tuple[int, ...]]:
    """All that can be said: ended by ``EOS`` after ``least`` words or more, or cut at ``most``."""
    open_words = [word for word in range(SAYABLE, words) if word != EOS]
    for length in range(most + 1):
        for said in product(open_words, repeat=length):
            if repeats(said, options.block_ngrams):
                continue
            if length == most:
                yield said
            elif length >= least:
                yield (*said, EOS)


def repeats(said: tuple[int, ...], size: int) -> bool:
    grams = [said[start : start + size] for start in range(len(said) - size + 1)] if size else []
    return len(set(grams)) < len(grams)


def log_prob_of(model: StepModel[Any, Any], source: list[int], said: tuple[int, ...]) -> tuple[float, Tensor]:
    """The log-probability, and the attention summed over the steps, of one sentence by itself."""
    memory = model.encode(batch([source]))
    state, total, looked = model.init(memory), 0.0, torch.zeros(len(source))
    for before, word in zip((BOS, *said[:-1]), said, strict=True):
        stepped = model.step(torch.tensor([before]), state, memory)
        state = stepped.state
        total += float(torch.log_softmax(stepped.logits[0].double(), 0)[word])
        if stepped.attention is not None:
            looked += stepped.attention[0]
    return total, looked


def score_of(log_prob: float, looked: Tensor, length: int, options: DecodingOptions) -> float:
    """Equation 14 of Wu et al. 2016, and the average, in plain numbers."""
    divisor: float = {"average": float(length), "gnmt": (5 + length) / 6, "none": 1.0}[options.length_penalty]
    missing = sum(float(torch.tensor(min(weight, 1.0)).log()) for weight in looked.tolist())
    return float(log_prob / divisor**options.alpha + options.coverage * missing)


@torch.no_grad()
def exhaustive(
    model: Recurrent, source: list[int], words: int, options: DecodingOptions
) -> list[tuple[float, tuple[int, ...]]]:
    """Every sentence with its score, the best first."""
    src = batch([source])
    most = int(most_words(src, options))
    least = min(int(least_words(src, options)), most - 1)
    scored = []
    for said in every_sentence(words, most, least, options):
        log_prob, looked = log_prob_of(model, source, said)
        scored.append((score_of(log_prob, looked, len(said), options), said))
    return sorted(scored, reverse=True)


def said(tokens: Tensor) -> tuple[int, ...]:
    """The words of one hypothesis, without padding."""
    return tuple(token for token in tokens.tolist() if token != PAD)
