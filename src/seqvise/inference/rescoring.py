"""Rescoring of n-best lists by a second model that scores whole translations.

A right-to-left model makes other errors than a left-to-right model; translations that both find probable are better
(Liu et al. 2016, "Agreement on Target-bidirectional Neural Machine Translation").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.vocabulary import EOS
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.inference.translator import TranslationResult, Translator, batches, load_seq2seq
from seqvise.models.interface import PAD, PairBatch, Projection, Seq2SeqModel, pair_batch
from seqvise.runs.load import Run


@torch.no_grad()
def sentence_log_probs(model: Seq2SeqModel[Any, Any], batch: PairBatch, chunk: int = 512) -> Tensor:
    """``log p(target | source)`` of each pair, summed over its words and ``EOS``: (B,) float32.

    Args:
        model: in evaluation mode; runs with teacher forcing, as in training.
        batch: sources and targets.
        chunk: words per projection; no tensor is larger than (chunk, V).
    """
    real = batch.target != PAD
    words = word_log_probs(model.generator, model(batch)[real], batch.target[real], chunk)
    sentences = real.nonzero()[:, 0]
    return words.new_zeros(len(batch)).index_add_(0, sentences, words)


def word_log_probs(generator: Projection, outputs: Tensor, words: Tensor, chunk: int) -> Tensor:
    """The log-probability of one target word per output: (N,) float32.

    Args:
        generator: the projection to the vocabulary.
        outputs: (N, D).
        words: (N,) int64.
        chunk: rows per projection.
    """
    log_probs = []
    for rows, targets in zip(outputs.split(chunk), words.split(chunk), strict=True):
        logits = torch.nn.functional.linear(rows, generator.weight, generator.bias).float()
        log_probs.append(logits.gather(1, targets.unsqueeze(1)).squeeze(1) - logits.logsumexp(1))
    return torch.cat(log_probs) if log_probs else outputs.new_zeros(0, dtype=torch.float32)


Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Rescorer:
    """A model that scores translations of another model."""

    model: nn.Module  # in evaluation mode
    # source, target: its codecs; both models share the target vocabulary, in either reading direction
    source: TextCodec
    target: TextCodec
    weight: float = 0.5  # its weight in the new score, 0 to 1
    batch_size: int = 64  # sentences per batch, as in ``Translator``

    def rank(
        self, texts: Sequence[str], nbest: Sequence[Sequence[TranslationResult]], backwards: bool
    ) -> list[list[TranslationResult]]:
        """Sorts the translations of each text by the score ``(1 - weight) a + weight b``, best first.

        a and b are the log-probabilities per word, including ``EOS``, of the translating model and of this model.

        Args:
            texts: the N source texts.
            nbest: N lists of translations; empty translations are kept unchanged.
            backwards: whether the words of the translations are in right-to-left order.
        """
        indexed = [(row, result) for row, results in enumerate(nbest) for result in results if result.words]
        sources = self.source.encode([texts[row] for row, _ in indexed])
        targets = [self._ids(result.words, backwards) for _, result in indexed]
        log_probs = self._log_probs(sources, targets)
        ranked = [[result for result in results if not result.words] for results in nbest]
        for (row, result), ids, log_prob in zip(indexed, targets, log_probs, strict=True):
            score = (1 - self.weight) * result.log_prob / len(result.words) + self.weight * log_prob / len(ids)
            ranked[row].append(replace(result, score=score))
        return [
            sorted(results, key=lambda result: -result.score) if len(results) > 1 else results for results in ranked
        ]

    def _ids(self, words: Sequence[str], backwards: bool) -> Ids:
        """Word ids in this model's direction, with ``EOS`` at the end even if decoding stopped before it."""
        ids = [index for index in self.target.vocabulary.ids(words) if index != EOS]
        return np.array([*(ids if backwards == self.target.backwards else reversed(ids)), EOS], np.int32)

    def _log_probs(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[float]:
        log_probs = [0.0] * len(targets)
        model = cast(Seq2SeqModel[Any, Any], self.model)
        device = next(self.model.parameters()).device
        lengths = [max(len(source), len(target)) for source, target in zip(sources, targets, strict=True)]
        for rows in batches(range(len(targets)), lengths, self.batch_size):
            batch = pair_batch([sources[row] for row in rows], [targets[row] for row in rows], rows, 1)
            for row, log_prob in zip(rows, sentence_log_probs(model, batch.to(device)).tolist(), strict=True):
                log_probs[row] = log_prob
        return log_probs


@dataclass(frozen=True)
class RescoredTranslator(Translator):
    """A translator whose n-best lists are rescored by another run."""

    rescorer: Rescorer = field(kw_only=True)  # the model of the other run

    def _nbest(self, texts: Sequence[str], attention: bool, options: DecodingOptions) -> list[list[TranslationResult]]:
        """Rescores the whole beam, even beyond ``options.nbest``."""
        full_beam = replace(options, nbest=max(options.nbest, 1 if options.samples else options.beam))
        nbest = super()._nbest(texts, attention, full_beam)
        ranked = self.rescorer.rank(texts, nbest, self.target.backwards)
        return [translations[: options.nbest] for translations in ranked]


def with_rescoring(
    translator: Translator, path: str | Path, weight: float = 0.5, trust: bool = False
) -> RescoredTranslator:
    """Adds rescoring by another run to a translator.

    Args:
        translator: generates the n-best lists.
        path: directory of a run with the same target vocabulary, usually with `data.reverse_target=true`.
        weight: the weight of that run in the score, 0 to 1.
        trust: as for ``load_run``.

    Raises:
        UserError: the run cannot translate or has another target vocabulary, or the weight is not in [0, 1].
    """
    if not 0 <= weight <= 1:
        raise UserError(f"rescore_weight is {weight}, but must be at least 0 and at most 1.")
    run = Run.open(path, trust)
    model = load_seq2seq(run)
    if run.target.vocabulary.words != translator.target.vocabulary.words:
        raise UserError(
            f"rescore={path}: this run has a different target vocabulary from the translating run and cannot read its "
            "translations. Train it on the same corpus and tokenizer, with data.reverse_target=true."
        )
    device = next(translator.model.parameters()).device
    rescorer = Rescorer(model.to(device), run.source, run.target, weight, translator.batch_size)
    values = {attribute.name: getattr(translator, attribute.name) for attribute in fields(Translator)}
    return RescoredTranslator(**values, rescorer=rescorer)
