"""A trained model that turns text into text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from seqvise.corpus.codec import TextCodec
from seqvise.datamodules.parallel import source_batch
from seqvise.decoding.greedy import greedy
from seqvise.errors import UserError
from seqvise.models.interface import StepModel
from seqvise.runs.load import Run
from seqvise.runs.model import load_model

Ids = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Translation:
    """One translated text.

    Attributes:
        text: the translation; empty for an empty text.
        source_words: S words the encoder read, its end mark included.
        words: T words the decoder said, its end mark included if it was said.
        attention: (T, S) weights, each row summing to 1; None where not asked for or the model has none.
    """

    text: str
    source_words: Sequence[str]
    words: Sequence[str]
    attention: NDArray[np.float32] | None = None


NOTHING = Translation("", (), ())


@dataclass(frozen=True)
class Translator:
    """A model with the codecs of its two sides.

    Attributes:
        model: has the step interface; in evaluation mode.
        source, target: text to ids, ids to text.
        batch_size: sentences decoded at once.
    """

    model: nn.Module
    source: TextCodec
    target: TextCodec
    batch_size: int = 64

    def translate(self, texts: Sequence[str], attention: bool = False) -> list[Translation]:
        """A translation of each text, in the order given; a text without words stays empty.

        Args:
            texts: one sentence each.
            attention: also give the weights over the source words.
        """
        ids = self.source.encode(texts)
        rows = sorted((row for row, text in enumerate(texts) if text.strip()), key=lambda row: len(ids[row]))
        found = [NOTHING] * len(texts)
        for start in range(0, len(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            for row, translation in zip(batch, self._batch([ids[row] for row in batch], attention), strict=True):
                found[row] = translation
        return found

    def _batch(self, sentences: list[Ids], attention: bool) -> list[Translation]:
        device = next(self.model.parameters()).device
        found = greedy(cast(StepModel[Any, Any], self.model), source_batch(sentences).to(device), attention)
        tokens = found.tokens.cpu().numpy()
        maps = None if found.attention is None else found.attention.float().cpu().numpy()
        return [self._one(ids, tokens[row], None if maps is None else maps[row]) for row, ids in enumerate(sentences)]

    def _one(self, ids: Ids, tokens: NDArray[np.int64], weights: NDArray[np.float32] | None) -> Translation:
        heard, said = _spelled(self.source, ids), _spelled(self.target, tokens)
        shown = None if weights is None else weights[: len(said), : len(heard)]
        return Translation(self.target.decode(tokens), heard, said, shown)


def load_run(path: str | Path, device: str = "cpu", batch_size: int = 64) -> Translator:
    """The translator that a run trained.

    Args:
        path: the run directory.
        device: as torch names them, or ``auto`` for CUDA where there is one.
        batch_size: sentences decoded at once.

    Raises:
        UserError: not a run directory, no checkpoint yet, or no such device.
    """
    run = Run.open(path)
    return Translator(load_model(run).to(find_device(device)), run.source, run.target, batch_size)


def find_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        UserError: the name is not one, or there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def _spelled(codec: TextCodec, ids: Sequence[int] | NDArray[np.integer]) -> list[str]:
    """The words of the ids up to and with the end mark, if there is one."""
    words = codec.words(ids)
    ended = len(words) < len(ids)
    return [*words, "<eos>"] if ended else words
