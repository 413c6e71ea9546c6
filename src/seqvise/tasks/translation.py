"""Translation: what is optimised and what is measured."""

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
from seqvise.models.softmax.chunked import linear_cross_entropy
from seqvise.models.softmax.generator import WordPicker
from seqvise.models.softmax.sampled import sampled_cross_entropy
from seqvise.moved import former_attribute
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.base import TextTask
from seqvise.tasks.distributed_means import Totals, gather_lists
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.samples import Sample, spread


def draw_forcing(rows: int, steps: int, ratio: float, draw: str) -> Tensor | None:
    """True where a step reads the reference's word: (B, T) bool on the CPU, or None where all of them do.

    Args:
        rows: sentences.
        steps: target steps.
        ratio: the chance of each draw to read the reference, 0 to 1.
        draw: once a time ``step`` for the whole batch (the lesson's), once a ``sentence``, or once a ``token``.
    """
    if ratio >= 1:
        return None
    shape = {"step": (1, steps), "sentence": (rows, 1), "token": (rows, steps)}[draw]
    return (torch.rand(shape) < ratio).expand(rows, steps)


METRICS = ("loss", "ppl", "free_loss", "lesson_loss", "accuracy", "bleu", "chrf")
"""Logged as ``val/<name>`` and ``test/<name>``."""


class TranslationTask(TextTask):
    """Trains a sequence-to-sequence model on pairs of sentences.

    ``loss`` and ``ppl`` read the references (teacher forcing) and count real words; ``free_loss`` reads the model's
    own words; ``lesson_loss`` does too and counts padding, in batches sorted by length, as fast.ai's lesson reports it.
    Padding depends on the grouping of sentences: on the batch size and on the number of processes. ``bleu`` and
    ``chrf`` compare greedy, detokenised translations with the raw references.

    Args:
        model: the model.
        loss, optimizer, schedule, monitor, seed: as of ``TextTask``.
        forcing: the `model.teacher_forcing` node; its ratio is set by the schedule callback.
        store: the corpus, for references and for ids to text.
        samples: validation sentences kept after each validation, translations and attention included.
    """

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
        """The model under the interface it must have."""
        return cast(Seq2SeqModel[Any, Any], self.model)

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        """The batch's share of the mean loss over real words (or all steps, with `loss.count_padding`).

        The mean is over all batches of the optimizer step, of all processes.
        """
        rows, steps = batch.target.shape
        forced = draw_forcing(rows, steps, self.scheduled["teacher_forcing"], self.forcing.draw)
        pick = None if forced is None else self._picker()
        outputs = self.seq2seq(batch, forced, pick)
        kept = None if self.loss_options.count_padding else batch.real
        total, count = self._total_loss(outputs, batch.target, kept, training=True)
        self.last_tokens = count
        loss = total * self._scales(batch, batch_idx).sums[0]
        self.log("train/loss", loss.detach() / self.last_share)
        return loss

    def loss_counts(self, batch: PairBatch) -> tuple[int, ...]:
        """The target's real words, or with `loss.count_padding` all its steps."""
        return (batch.target.numel() if self.loss_options.count_padding else len(batch.real),)

    def validation_step(self, batch: PairBatch, batch_idx: int) -> None:
        """Adds a batch to the validation's sums and translates it."""
        self._evaluate(batch)

    def test_step(self, batch: PairBatch, batch_idx: int) -> None:
        """Adds a batch to the test's sums and translates it."""
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/*`` and keeps samples."""
        part = self._part("valid")
        self._log_scores("val", part)
        self._keep_samples(part)

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
        said = pick(outputs.flatten(0, 1).index_select(0, real))
        self._totals.add("accuracy", (said == batch.target.flatten()[real]).sum(), len(said))
        free = self.seq2seq(batch, torch.zeros(batch.target.shape, dtype=torch.bool), pick)
        self._totals.add("free_loss", *self._total_loss(free, batch.target, real))
        self._totals.add("lesson_loss", *self._total_loss(free, batch.target))
        hypotheses = greedy(self.seq2seq, batch.source)
        texts = [self.store.target.decode(ids) for ids in hypotheses.tokens.tolist()]
        self._outputs += zip(batch.rows.tolist(), texts, strict=True)

    def _total_loss(
        self, outputs: Tensor, target: Tensor, kept: Tensor | None = None, training: bool = False
    ) -> tuple[Tensor, int]:
        """The summed loss of steps, and how many they are.

        Args:
            outputs: (B, T, D).
            target: (B, T).
            kept: the steps' places in ``target.flatten()``; None is all of them.
            training: whether labels are smoothed and words sampled, as `loss` asks for.
        """
        flat, words = outputs.flatten(0, 1), target.flatten()
        if kept is not None:
            flat, words = flat.index_select(0, kept), words.index_select(0, kept)
        generator, options = self.seq2seq.generator, self.loss_options
        given, how = (flat, generator.weight, generator.bias, words), (options.chunk, self._product_dtype())
        if training and options.sampled is not None:
            return sampled_cross_entropy(*given, options.sampled, *how), len(words)
        return linear_cross_entropy(*given, options.label_smoothing if training else 0.0, *how), len(words)

    def _picker(self) -> WordPicker:
        return WordPicker(self.seq2seq.generator, self._product_dtype())

    def _log_scores(self, stage: str, part: CorpusPart) -> None:
        means = self._totals.means(self.device)
        texts = dict(gather_lists(self._outputs))
        references = part.raw_target()
        rows = sorted(texts)
        lowercase = self.store.target.options.case != "keep"
        scores = score_text([texts[row] for row in rows], [references[row] for row in rows], lowercase)
        means |= {"ppl": math.exp(min(means["loss"], 80.0)), "bleu": scores.bleu, "chrf": scores.chrf}
        self.signatures = scores.signatures
        for name in METRICS:
            self.log(f"{stage}/{name}", means[name], rank_zero_only=False)

    @torch.no_grad()
    def _keep_samples(self, part: CorpusPart) -> None:
        from seqvise.models.interface import source_batch

        rows = spread(len(part), self.sample_count)
        if not rows:
            return
        batch = source_batch([part.source[row] for row in rows]).to(self.device)
        found = greedy(self.seq2seq, batch, attention=True)
        self.samples = [self._sample(part, row, place, found) for place, row in enumerate(rows)]
        self.attention_entropy = entropy_of(self.samples)

    def _sample(self, part: CorpusPart, row: int, place: int, found: Hypotheses) -> Sample:
        source, target = self.store.source, self.store.target
        ids, output = part.source[row], found.tokens[place].tolist()
        source_words = [*source.words(ids), "<eos>"]
        output_words = target.words(output)
        said = min(len(output_words) + 1, len(output))  # the step that said <eos> included, if there was time for it
        attention = None
        if found.attention is not None:
            attention = found.attention[place, :said, : len(source_words)].cpu().numpy()
            output_words = [*output_words, "<eos>"][:said]
        return Sample(
            part.raw_source()[row], part.raw_target()[row], target.decode(output), source_words, output_words, attention
        )

    def _part(self, name: str) -> CorpusPart:
        part = self.store.part(name)
        assert part is not None, name
        return part


def entropy_of(samples: Sequence[Sample]) -> tuple[float, float] | None:
    """Mean entropy of the samples' attention in nats, and what uniform attention would have; None without attention."""
    found = [sample.attention for sample in samples if sample.attention is not None and len(sample.attention)]
    if not found:
        return None
    entropies = [float(-(weights * np.log(np.maximum(weights, 1e-12))).sum(1).mean()) for weights in found]
    uniform = [math.log(weights.shape[1]) for weights in found]
    return sum(entropies) / len(found), sum(uniform) / len(found)


def __getattr__(name: str) -> object:
    return former_attribute(__name__, name)
