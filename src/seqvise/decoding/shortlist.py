"""Decoding among the target words that translate a sentence's source words, and the most frequent ones.

Most of a step over a large vocabulary is the projection to words that could not be meant (L'Hostis, Grangier and Auli
2016, "Vocabulary Selection Strategies for Neural Machine Translation", arXiv:1610.00072). Each sentence has its own
words, so that the others of its batch do not change what is said.
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
"""Most frequent target words, which every sentence may say."""
HEADER = ("source", "target", "probability")


@dataclass(frozen=True, eq=False)
class Shortlist:
    """Target words by source word.

    Attributes:
        begins: (V + 1,) int64, where the words of each of V source words begin, and the end.
        words: (n,) int64, target ids.
        always: (m,) int64, those that every sentence may say, the specials among them.
    """

    begins: Tensor
    words: Tensor
    always: Tensor

    def __len__(self) -> int:
        return len(self.words)

    def to(self, device: torch.device) -> Shortlist:
        """The same on another device."""
        return Shortlist(self.begins.to(device), self.words.to(device), self.always.to(device))

    def meant(self, src: SourceBatch) -> tuple[Tensor, Tensor]:
        """The target words of the batch's source words: rows of the batch and ids, (n,) each, repeats among them."""
        first, count = self.begins[src.ids], self.begins[src.ids + 1] - self.begins[src.ids]
        per_row = count.sum(1)
        flat = count.flatten()
        ends = flat.cumsum(0)
        inside = torch.arange(int(ends[-1]), device=flat.device) - (ends - flat).repeat_interleave(flat)
        rows = torch.arange(len(per_row), device=flat.device).repeat_interleave(per_row)
        return rows, self.words[first.flatten().repeat_interleave(flat) + inside]


class ShortlistModel(nn.Module):
    """A step model that says words of a short-list alone; its ids are places among ``words``.

    Args:
        model: has a ``generator``.
        words: (W,) int64, ascending: ids that a sentence of the batch may say. The specials keep their places.
        given: (m,) int64, those that every sentence may say.
        shortlist: the others.
    """

    def __init__(self, model: nn.Module, words: Tensor, given: Tensor, shortlist: Shortlist) -> None:
        super().__init__()
        self.model, self.words, self.given, self.shortlist = _narrowed(model, words), words, given, shortlist

    def encode(self, src: SourceBatch) -> tuple[Any, Tensor]:
        """What the model reads of the source, and (B, W) bool, true at words that are not to be said."""
        forbidden = torch.ones(len(src.lengths), len(self.words), dtype=torch.bool, device=self.words.device)
        forbidden[:, torch.searchsorted(self.words, self.given)] = False
        rows, meant = self.shortlist.meant(src)
        forbidden[rows, torch.searchsorted(self.words, meant)] = False
        return self._steps.encode(src), forbidden

    def init(self, memory: tuple[Any, Tensor]) -> Any:
        """The state before the first step."""
        return self._steps.init(memory[0])

    def step(self, tokens: Tensor, state: Any, memory: tuple[Any, Tensor]) -> StepOutput[Any]:
        """One step; logits are (N, W)."""
        stepped = self._steps.step(self.words[tokens], state, memory[0])
        forbidden = memory[1].repeat_interleave(len(tokens) // len(memory[1]), 0)
        return stepped._replace(logits=stepped.logits.float().masked_fill(forbidden, float("-inf")))

    def reorder(self, state: Any, rows: Tensor) -> Any:
        """The state of the chosen rows."""
        return self._steps.reorder(state, rows)

    def select(self, memory: tuple[Any, Tensor], rows: Tensor) -> tuple[Any, Tensor]:
        """The memory of the chosen sentences."""
        return self._steps.select(memory[0], rows), memory[1][rows]

    @property
    def _steps(self) -> StepModel[Any, Any]:
        return cast(StepModel[Any, Any], self.model)


def shortlisted(
    model: StepModel[Any, Any], shortlist: Shortlist, src: SourceBatch, prefix: Tensor | None
) -> tuple[StepModel[Any, Any], Tensor]:
    """The model for one batch, which says places among the words that a sentence of it may say.

    Args:
        model: it or, of an ensemble, each of its members has a ``generator``.
        shortlist: on the model's device.
        src: the sentences that are translated.
        prefix: (B, P) ids that can be said whatever the short-list holds; None for none.

    Returns:
        the model, and (W,) int64, ascending, the ids of those words.
    """
    given = torch.cat([shortlist.always, *([] if prefix is None else [prefix.flatten()])]).unique()
    words = torch.cat([given, shortlist.meant(src)[1]]).unique()
    if isinstance(model, Ensemble):
        return model.of(ShortlistModel(part, words, given, shortlist) for part in model.models), words
    return ShortlistModel(cast(nn.Module, model), words, given, shortlist), words


def _narrowed(model: nn.Module, words: Tensor) -> nn.Module:
    """The model, whose projection has the given rows alone; all its other parts are its own."""
    generator = model.get_submodule("generator")
    shared = [*(part for name, part in model.named_children() if name != "generator"), *generator.parameters()]
    made = copy.deepcopy(model, {id(part): part for part in shared})
    for name, weight in generator.named_parameters():
        setattr(made.generator, name, nn.Parameter(weight.detach()[words], requires_grad=False))
    return made


def write_shortlist(path: Path, lines: Iterator[tuple[str, str, float]]) -> None:
    """Writes a line for each source word, target word and probability, tabs between, below a line that names them."""
    from seqvise.outputs import write_output

    rows = (f"{source}\t{target}\t{chance:.6f}" for source, target, chance in lines)
    write_output(path, "\n".join(["\t".join(HEADER), *rows]) + "\n")


def read_shortlist(path: Path, source: Vocabulary, target: Vocabulary) -> Shortlist:
    """Reads what ``write_shortlist`` wrote; words that the vocabularies lack are passed over.

    Raises:
        UserError: the file cannot be read or is none such, or it is of other words.
    """
    try:
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        if tuple(head.split("\t")) != HEADER:
            raise ValueError("its first line is another")
        pairs = [(source.id(left), target.id(right)) for left, right, _ in (line.split("\t") for line in lines)]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no file of seqvise shortlist"
        raise UserError(f"shortlist={path} cannot be read: {told}.") from None
    read = [pair for pair in pairs if min(pair) >= len(SPECIALS)]
    if 2 * len(read) < len(pairs) or not read:
        raise UserError(
            f"shortlist={path}: of its {len(pairs):,} lines, {len(read):,} have words of the run's vocabularies: it is "
            "of another run. Make one by seqvise shortlist."
        )
    known = np.array(sorted(set(read)), np.int64)
    begins = np.searchsorted(known[:, 0], np.arange(len(source) + 1))
    always = torch.arange(min(len(SPECIALS) + FREQUENT, len(target)))
    return Shortlist(torch.from_numpy(begins), torch.from_numpy(known[:, 1].copy()), always)
