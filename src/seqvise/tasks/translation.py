"""The translation task: loss, teacher forcing and metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from seqvise.corpus.parallel.store import CorpusPart, TokenStore
from seqvise.decoding.greedy import Hypotheses, greedy
from seqvise.metrics.text import score_text
from seqvise.models.interface import PairBatch, Seq2SeqModel
from seqvise.models.options import ForcingOptions
from seqvise.models.softmax.generator import WordPicker
from seqvise.moved import former_attribute
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.base import TextTask
from seqvise.tasks.distributed_means import Totals, gather_lists
from seqvise.tasks.options import TRANSLATION_METRICS, LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.samples import Sample, evenly_spaced


def draw_forcing(rows: int, steps: int, ratio: float, draw: str) -> Tensor | None:
    """A random teacher-forcing mask, true where the input is the reference: (B, T) bool on the CPU; None: all forced.

    Args:
        rows: B, sentences.
        steps: T, target steps.
        ratio: the probability of teacher forcing, 0 to 1.
        draw: one draw per ``step`` for the whole batch (as in the fast.ai (2018) lesson), per ``sentence`` or per
            ``token``.
    """
    if ratio >= 1:
        return None
    shape = {"step": (1, steps), "sentence": (rows, 1), "token": (rows, steps)}[draw]
    return (torch.rand(shape) < ratio).expand(rows, steps)


class TranslationTask(TextTask):
    """Trains a sequence-to-sequence model on pairs of sentences.

    ``loss`` and ``ppl`` are teacher-forced means over target words without padding. ``loss_free`` is the same with the
    model's predictions as inputs (free running). ``loss_free_padded`` is free-running, too, and includes padding in
    batches sorted by length, as reported by the fast.ai (2018) lesson. It depends on the batch size and on the number
    of processes. ``bleu``, ``chrf`` and the user's metrics compare greedy, detokenised translations with the raw
    references.

    Args:
        model: the model.
        loss, optimizer, schedule, monitor, seed: see ``TextTask``.
        forcing: the `model.teacher_forcing` node; the schedule callback sets the ratio.
        store: the corpus, for references and detokenisation.
        samples: number of validation sentences stored with translation and attention after each validation.
    """

    has_outputs = True

    def __init__(
        self,
        model: nn.Module,
        loss: LossOptions,
        optimizer: OptimizerOptions,
        schedule: ScheduleOptions,
        forcing: ForcingOptions,
        monitor: MonitorOptions,
        store: TokenStore,
        seed: int,
        samples: int = 8,
    ) -> None:
        super().__init__(model, loss, optimizer, schedule, monitor, seed)
        self.forcing, self.store, self.sample_count = forcing, store, samples
        self.scheduled["teacher_forcing"] = forcing.start
        self.samples: list[Sample] = []
        self.attention_entropy: tuple[float, float] | None = None
        self.signatures: dict[str, str] = {}

    @property
    def seq2seq(self) -> Seq2SeqModel[Any, Any]:
        """The model, with the interface that the task needs."""
        return cast(Seq2SeqModel[Any, Any], self.model)

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        """The batch's share of the mean loss over target words (with `loss.count_padding`, over all steps).

        The mean is over all batches of the optimizer step and all processes.
        """
        rows, steps = batch.target.shape
        forced = draw_forcing(rows, steps, self.scheduled["teacher_forcing"], self.forcing.draw)
        pick = None if forced is None else self._picker()
        outputs = self.seq2seq(batch, forced, pick)
        positions = None if self.loss_options.count_padding else batch.real
        total, count = self._total_loss(outputs, batch.target, positions, training=True)
        self.last_tokens = count
        loss = total * self._scales(batch, batch_idx).sums[0]
        self.log("train/loss", loss.detach() / self.last_share)
        return loss

    def loss_counts(self, batch: PairBatch) -> tuple[int, ...]:
        """The number of target words; with `loss.count_padding`, of all target steps."""
        return (batch.target.numel() if self.loss_options.count_padding else len(batch.real),)

    def validation_step(self, batch: PairBatch, batch_idx: int) -> None:
        """Adds a batch to the sums of the validation and translates it."""
        self._evaluate(batch)

    def test_step(self, batch: PairBatch, batch_idx: int) -> None:
        """Adds a batch to the sums of the test and translates it."""
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/*`` and stores samples."""
        part = self._part("valid")
        self._log_scores("val", part)
        self._store_samples(part)

    def on_test_epoch_end(self) -> None:
        """Logs ``test/*``."""
        self._log_scores("test", self._part("test"))

    def _start_evaluation(self) -> None:
        self._totals = Totals()
        self._outputs: list[tuple[int, str]] = []

    @torch.no_grad()
    def _evaluate(self, batch: PairBatch) -> None:
        real, pick = batch.real, self._picker()
        outputs = self.seq2seq(batch)
        self._totals.add("loss", *self._total_loss(outputs, batch.target, real))
        predictions = pick(outputs.flatten(0, 1).index_select(0, real))
        self._totals.add("accuracy", (predictions == batch.target.flatten()[real]).sum(), len(predictions))
        free = self.seq2seq(batch, torch.zeros(batch.target.shape, dtype=torch.bool), pick)
        self._totals.add("loss_free", *self._total_loss(free, batch.target, real))
        self._totals.add("loss_free_padded", *self._total_loss(free, batch.target))
        hypotheses = greedy(self.seq2seq, batch.source)
        texts = [self.store.target.decode(ids) for ids in hypotheses.tokens.tolist()]
        self._outputs += zip(batch.rows.tolist(), texts, strict=True)

    def _total_loss(
        self, outputs: Tensor, target: Tensor, positions: Tensor | None = None, training: bool = False
    ) -> tuple[Tensor, int]:
        """The summed loss of target steps, and their number.

        Args:
            outputs: (B, T, D).
            target: (B, T).
            positions: indices into ``target.flatten()`` of the steps; None is all of them.
            training: apply label smoothing and sampling as set in `loss`.
        """
        rows, words = outputs.flatten(0, 1), target.flatten()
        if positions is not None:
            rows, words = rows.index_select(0, positions), words.index_select(0, positions)
        return self._summed_loss(self.seq2seq.generator, rows, words, training), len(words)

    def _picker(self) -> WordPicker:
        return WordPicker(self.seq2seq.generator, self._product_dtype())

    def _log_scores(self, stage: str, part: CorpusPart) -> None:
        means = self._totals.means(self.device)
        texts = dict(gather_lists(self._outputs))
        references = part.raw_target()
        rows = sorted(texts)
        lowercase = self.store.target.options.case != "keep"
        outputs, references = [texts[row] for row in rows], [references[row] for row in rows]
        scores = score_text(outputs, references, lowercase)
        means |= {"ppl": math.exp(min(means["loss"], 80.0)), "bleu": scores.bleu, "chrf": scores.chrf}
        self.signatures = scores.signatures
        for name in TRANSLATION_METRICS:
            self.log(f"{stage}/{name}", means[name], rank_zero_only=False)
        self.log_functions(stage, outputs, references)

    @torch.no_grad()
    def _store_samples(self, part: CorpusPart) -> None:
        from seqvise.models.interface import source_batch

        rows = evenly_spaced(len(part), self.sample_count)
        if not rows:
            return
        batch = source_batch([part.source[row] for row in rows]).to(self.device)
        hypotheses = greedy(self.seq2seq, batch, attention=True)
        self.samples = [self._sample(part, row, index, hypotheses) for index, row in enumerate(rows)]
        self.attention_entropy = entropy_of(self.samples)

    def _sample(self, part: CorpusPart, row: int, index: int, hypotheses: Hypotheses) -> Sample:
        source, target = self.store.source, self.store.target
        ids, output = part.source[row], hypotheses.tokens[index].tolist()
        source_words = [*source.words(ids), "<eos>"]
        output_words = target.words(output)
        length = min(len(output_words) + 1, len(output))  # including the <eos> step if it was reached
        attention = None
        if hypotheses.attention is not None:
            attention = hypotheses.attention[index, :length, : len(source_words)].cpu().numpy()
            output_words = [*output_words, "<eos>"][:length]
        return Sample(
            part.raw_source()[row], part.raw_target()[row], target.decode(output), source_words, output_words, attention
        )

    def _part(self, name: str) -> CorpusPart:
        part = self.store.part(name)
        assert part is not None, name
        return part


def entropy_of(samples: Sequence[Sample]) -> tuple[float, float] | None:
    """Mean entropy of the samples' attention, and that of uniform attention, in nats; None without attention."""
    attentions = [sample.attention for sample in samples if sample.attention is not None and len(sample.attention)]
    if not attentions:
        return None
    entropies = [float(-(weights * np.log(np.maximum(weights, 1e-12))).sum(1).mean()) for weights in attentions]
    uniform = [math.log(weights.shape[1]) for weights in attentions]
    return sum(entropies) / len(attentions), sum(uniform) / len(attentions)


def __getattr__(name: str) -> object:
    return former_attribute(__name__, name)
