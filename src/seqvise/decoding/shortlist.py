"""Vocabulary selection: decoding restricted to translations of the source words and to frequent target words.

With a large vocabulary, a step spends most of its time on the projection to words that cannot occur (L'Hostis,
Grangier and Auli 2016, "Vocabulary Selection Strategies for Neural Machine Translation", arXiv:1610.00072). Each
sentence has its own candidates, so that its output does not depend on the other sentences of the batch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from seqvise.corpus.tokens.vocabulary import SPECIALS, Vocabulary
from seqvise.decoding.ensemble import Ensemble
from seqvise.errors import UserError
from seqvise.models.interface import SourceBatch, StepModel, StepOutput

FREQUENT = 100
"""Number of most frequent target words, which are candidates for every sentence."""
HEADER = ("source", "target", "probability")


@dataclass(frozen=True, eq=False)
class Shortlist:
    """Candidate target words per source word, in CSR layout."""

    begins: Tensor  # (V + 1,) int64, offset in ``words`` of the candidates of each of V source words, and the total
    words: Tensor  # (n,) int64, target ids
    always: Tensor  # (m,) int64, candidates for every sentence, including the special tokens

    def __len__(self) -> int:
        return len(self.words)

    def to(self, device: torch.device) -> Shortlist:
        """A copy on another device."""
        return Shortlist(self.begins.to(device), self.words.to(device), self.always.to(device))

    def candidates(self, src: SourceBatch) -> tuple[Tensor, Tensor]:
        """The candidates of the batch's source words: rows of the batch and target ids, (n,) each, with repeats."""
        starts, counts = self.begins[src.ids], self.begins[src.ids + 1] - self.begins[src.ids]
        per_row, device = counts.sum(1), counts.device
        flat = counts.flatten()
        ends = flat.cumsum(0)
        offsets = torch.arange(int(ends[-1]), device=device) - (ends - flat).repeat_interleave(flat)
        rows = torch.arange(len(per_row), device=device).repeat_interleave(per_row)
        return rows, self.words[starts.flatten().repeat_interleave(flat) + offsets]


class ShortlistModel(nn.Module):
    """A step model restricted to the words of a short-list; its ids are positions in ``words``.

    Args:
        model: has a ``generator``.
        words: (W,) int64, ascending: candidate ids of all sentences of the batch. Special tokens keep their ids.
        common: (m,) int64, candidates for every sentence.
        shortlist: the other candidates.
    """

    def __init__(self, model: nn.Module, words: Tensor, common: Tensor, shortlist: Shortlist) -> None:
        super().__init__()
        self.model: Any = _with_narrow_projection(model, words)
        self.words, self.common, self.shortlist = words, common, shortlist

    def encode(self, src: SourceBatch) -> tuple[Any, Tensor]:
        """The encoded source, and (B, W) bool, true at words that are not candidates of the sentence."""
        forbidden = torch.ones(len(src.lengths), len(self.words), dtype=torch.bool, device=self.words.device)
        forbidden[:, torch.searchsorted(self.words, self.common)] = False
        rows, candidates = self.shortlist.candidates(src)
        forbidden[rows, torch.searchsorted(self.words, candidates)] = False
        return self.model.encode(src), forbidden

    def init(self, memory: tuple[Any, Tensor]) -> Any:
        return self.model.init(memory[0])

    def step(self, tokens: Tensor, state: Any, memory: tuple[Any, Tensor]) -> StepOutput[Any]:
        """One step; logits are (N, W)."""
        stepped: StepOutput[Any] = self.model.step(self.words[tokens], state, memory[0])
        forbidden = memory[1].repeat_interleave(len(tokens) // len(memory[1]), 0)
        return stepped._replace(logits=stepped.logits.float().masked_fill(forbidden, float("-inf")))

    def reorder(self, state: Any, rows: Tensor) -> Any:
        return self.model.reorder(state, rows)

    def select(self, memory: tuple[Any, Tensor], rows: Tensor) -> tuple[Any, Tensor]:
        return self.model.select(memory[0], rows), memory[1][rows]


def shortlisted(
    model: StepModel[Any, Any], shortlist: Shortlist, src: SourceBatch, prefix: Tensor | None
) -> tuple[StepModel[Any, Any], Tensor]:
    """The model restricted to the candidates of one batch; its output ids are positions in the candidates.

    Args:
        model: a model with a ``generator``, or an ensemble of such models.
        shortlist: on the model's device.
        src: the source sentences of the batch.
        prefix: (B, P) ids that are always candidates; None for no prefix.

    Returns:
        the model, and (W,) int64, the candidate ids in ascending order.
    """
    common = torch.cat([shortlist.always, *([] if prefix is None else [prefix.flatten()])]).unique()
    words = torch.cat([common, shortlist.candidates(src)[1]]).unique()
    if isinstance(model, Ensemble):
        return model.with_models(ShortlistModel(part, words, common, shortlist) for part in model.models), words
    return ShortlistModel(cast(nn.Module, model), words, common, shortlist), words


def _with_narrow_projection(model: nn.Module, words: Tensor) -> nn.Module:
    """A copy of the model with only these rows of the projection; all other modules are shared with the model."""
    generator = model.get_submodule("generator")
    shared = [*(part for name, part in model.named_children() if name != "generator"), *generator.parameters()]
    narrow_model = copy.deepcopy(model, {id(part): part for part in shared})
    for name, weight in generator.named_parameters():
        setattr(narrow_model.generator, name, nn.Parameter(weight.detach()[words], requires_grad=False))
    return narrow_model


def write_shortlist(path: Path, lines: Iterator[tuple[str, str, float]]) -> None:
    """Writes a tab-separated file: a header, then one line per source word, target word and probability."""
    from seqvise.outputs import write_output

    rows = (f"{source}\t{target}\t{probability:.6f}" for source, target, probability in lines)
    write_output(path, "\n".join(["\t".join(HEADER), *rows]) + "\n")


def read_shortlist(path: Path, source: Vocabulary, target: Vocabulary) -> Shortlist:
    """Reads a file of ``write_shortlist``; pairs with out-of-vocabulary words are skipped.

    Raises:
        UserError: the file cannot be read, has another format, or does not match the vocabularies.
    """
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        if tuple(header.split("\t")) != HEADER:
            raise ValueError("wrong header")
        pairs = [(source.id(left), target.id(right)) for left, right, _ in (line.split("\t") for line in lines)]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a file of seqvise shortlist"
        raise UserError(f"shortlist={path} cannot be read: {reason}.") from None
    known_pairs = [pair for pair in pairs if min(pair) >= len(SPECIALS)]
    if 2 * len(known_pairs) < len(pairs) or not known_pairs:
        raise UserError(
            f"shortlist={path}: only {len(known_pairs):,} of {len(pairs):,} lines have words of this run's vocabulary; "
            "the file belongs to another run. Create one with seqvise shortlist."
        )
    sorted_pairs = np.array(sorted(set(known_pairs)), np.int64)
    begins = np.searchsorted(sorted_pairs[:, 0], np.arange(len(source) + 1))
    always = torch.arange(min(len(SPECIALS) + FREQUENT, len(target)))
    return Shortlist(torch.from_numpy(begins), torch.from_numpy(sorted_pairs[:, 1].copy()), always)
