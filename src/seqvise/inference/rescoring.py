"""Translations ranked anew by a second run, which reads them as a whole.

A model that says a sentence from its last word to its first errs elsewhere than one that says it from its first to its
last; what both find likely is better (Liu et al. 2016, "Agreement on Target-bidirectional Neural Machine Translation").
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
from seqvise.inference.translator import DEFAULT, TranslationResult, Translator, batches, load_seq2seq
from seqvise.models.interface import PAD, PairBatch, Projection, Seq2SeqModel, pair_batch
from seqvise.runs.load import Run


@torch.no_grad()
def sentence_log_probs(model: Seq2SeqModel[Any, Any], batch: PairBatch, chunk: int = 512) -> Tensor:
    """``log p(target | source)`` of each pair, the sum over its words, ``EOS`` included: (B,) float32.

    Args:
        model: in evaluation mode; it reads the targets, as in training.
        batch: sources and targets.
        chunk: words projected at once; no tensor is larger than (chunk, V).
    """
    real = batch.target != PAD
    words = word_log_probs(model.generator, model(batch)[real], batch.target[real], chunk)
    sentences = real.nonzero()[:, 0]
    return words.new_zeros(len(batch)).index_add_(0, sentences, words)


def word_log_probs(generator: Projection, outputs: Tensor, words: Tensor, chunk: int) -> Tensor:
    """The log-probability of one word for each output: (N,) float32.

    Args:
        generator: the projection.
        outputs: (N, D).
        words: (N,) int64.
        chunk: rows projected at once.
    """
    found = []
    for some, said in zip(outputs.split(chunk), words.split(chunk), strict=True):
        logits = torch.nn.functional.linear(some, generator.weight, generator.bias).float()
        found.append(logits.gather(1, said.unsqueeze(1)).squeeze(1) - logits.logsumexp(1))
    return torch.cat(found) if found else outputs.new_zeros(0, dtype=torch.float32)


Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Rescorer:
    """A model that says how likely it finds translations of another.

    Attributes:
        model: in evaluation mode.
        source, target: its codecs; the target's words are those of the other model, in this order or the other.
        weight: its share in the new score, 0 to 1.
        batch_size: as of ``Translator``.
    """

    model: nn.Module
    source: TextCodec
    target: TextCodec
    weight: float = 0.5
    batch_size: int = 64

    def rank(
        self, texts: Sequence[str], found: Sequence[Sequence[TranslationResult]], backwards: bool
    ) -> list[list[TranslationResult]]:
        """The translations of each text, best first by ``(1 - weight) a + weight b``, which becomes their score.

        a and b are the log-probabilities a word, the end mark counted, of the model that found them and of this one.

        Args:
            texts: the sources.
            found: translations of each; those of an empty text are left as they are.
            backwards: whether their words stand from the last to the first.
        """
        places = [(row, one) for row, some in enumerate(found) for one in some if one.words]
        sources = self.source.encode([texts[row] for row, _ in places])
        targets = [self._ids(one.words, backwards) for _, one in places]
        log_probs = self._log_probs(sources, targets)
        ranked: list[list[TranslationResult]] = [[one for one in some if not one.words] for some in found]
        for (row, one), ids, log_prob in zip(places, targets, log_probs, strict=True):
            score = (1 - self.weight) * one.log_prob / len(one.words) + self.weight * log_prob / len(ids)
            ranked[row].append(replace(one, score=score))
        return [sorted(some, key=lambda one: -one.score) if len(some) > 1 else some for some in ranked]

    def _ids(self, words: Sequence[str], backwards: bool) -> Ids:
        """The ids in this model's order, ``EOS`` at the end even where there was no time to say it."""
        said = [index for index in self.target.vocabulary.ids(words) if index != EOS]
        return np.array([*(said if backwards == self.target.backwards else reversed(said)), EOS], np.int32)

    def _log_probs(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[float]:
        found = [0.0] * len(targets)
        model = cast(Seq2SeqModel[Any, Any], self.model)
        device = next(self.model.parameters()).device
        lengths = [max(len(source), len(target)) for source, target in zip(sources, targets, strict=True)]
        for rows in batches(range(len(targets)), lengths, self.batch_size):
            batch = pair_batch([sources[row] for row in rows], [targets[row] for row in rows], rows, 1)
            for row, value in zip(rows, sentence_log_probs(model, batch.to(device)).tolist(), strict=True):
                found[row] = value
        return found


@dataclass(frozen=True)
class RescoredTranslator(Translator):
    """A translator whose n-best lists are ranked anew by another run.

    Attributes:
        rescorer: the other run.
    """

    rescorer: Rescorer = field(kw_only=True)

    def hypotheses(
        self, texts: Sequence[str], attention: bool = False, options: DecodingOptions = DEFAULT
    ) -> list[list[TranslationResult]]:
        """As ``Translator.hypotheses``; every hypothesis of the beam is ranked, whatever ``options.nbest`` is."""
        whole = replace(options, nbest=max(options.nbest, 1 if options.samples else options.beam))
        found = super().hypotheses(texts, attention, whole)
        ranked = self.rescorer.rank(texts, found, self.target.backwards)
        return [some[: options.nbest] for some in ranked]


def rescored(translator: Translator, path: str | Path, weight: float = 0.5, trust: bool = False) -> RescoredTranslator:
    """The translator with its n-best lists ranked anew by the run of that directory.

    Args:
        translator: finds the translations.
        path: a run trained on the same target vocabulary, usually with `data.reverse_target=true`.
        weight: the run's share in the score, 0 to 1.
        trust: import classes outside of seqvise, torch and Lightning that its config names.

    Raises:
        UserError: the run cannot translate, or says other words; the weight is no share.
    """
    if not 0 <= weight <= 1:
        raise UserError(f"rescore_weight is {weight}, but must be at least 0 and at most 1.")
    run = Run.open(path, trust)
    model = load_seq2seq(run)
    if run.target.vocabulary.words != translator.target.vocabulary.words:
        raise UserError(
            f"rescore={path}: that run has another target vocabulary than the one that translates, so that it cannot "
            "read the translations. Train it on the same corpus and tokenizer, with data.reverse_target=true."
        )
    device = next(translator.model.parameters()).device
    rescorer = Rescorer(model.to(device), run.source, run.target, weight, translator.batch_size)
    given = {item.name: getattr(translator, item.name) for item in fields(Translator)}
    return RescoredTranslator(**given, rescorer=rescorer)
