"""Loss and metrics of the translation task against simple computations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import pytest
import pytorch_lightning as pl
import sacrebleu
import torch
from torch import Tensor
from torch.nn import functional as F

from seqvise.callbacks.schedule import ScheduleCallback
from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.parallel.store import CorpusPart, TokenStore
from seqvise.datamodules.parallel import PairDataset, ParallelDataModule
from seqvise.decoding.greedy import greedy
from seqvise.models.interface import BOS, PAD, PairBatch
from seqvise.models.options import ForcingOptions
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.models.softmax.generator import Generator
from seqvise.schedules.curves import build_schedules
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.base import seed_of
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions
from seqvise.tasks.samples import evenly_spaced
from seqvise.tasks.translation import TranslationTask, entropy_of

VALIDATION = DataOptions(batch_size=20, valid_batch_size=50)
VALIDATED = 3  # number of batches, kept small for the loops over single sentences


def build(
    store: TokenStore, loss: LossOptions | None = None, schedule: ScheduleOptions | None = None
) -> TranslationTask:
    torch.manual_seed(0)
    options = RecurrentOptions(embedding=16, encoder_hidden=12, decoder_hidden=16, bidirectional=True)
    options.attention = "additive"
    model = Recurrent(options, len(store.source.vocabulary), len(store.target.vocabulary))
    return TranslationTask(
        model,
        loss or LossOptions(precision="fp32"),
        OptimizerOptions(lr=2e-2),
        schedule or ScheduleOptions(),
        ForcingOptions(),
        MonitorOptions(),
        store,
        seed=1,
        samples=3,
    )


def trainer(**options: object) -> pl.Trainer:
    quiet: dict[str, object] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "accelerator": "cpu", "num_sanity_val_steps": 0}
    return pl.Trainer(**{**quiet, **options}, use_distributed_sampler=False)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(store: TokenStore) -> tuple[TranslationTask, dict[str, float]]:
    """A task after a few steps, so that its predictions differ, and its logged metrics."""
    task, data = build(store), ParallelDataModule(store, VALIDATION, 0)
    runner = trainer(max_epochs=8, limit_val_batches=VALIDATED)
    runner.fit(task, data)
    return task.eval(), {name: float(value) for name, value in runner.callback_metrics.items()}


def batches(store: TokenStore) -> list[PairBatch]:
    """The batches of the validation."""
    return list(islice(ParallelDataModule(store, VALIDATION, 0).val_dataloader(), VALIDATED))


def sentences(store: TokenStore) -> Iterator[PairBatch]:
    """The sentences of the validation, one per batch."""
    part = store.part("valid")
    assert part is not None
    dataset = PairDataset(part, 1)
    return (dataset[[row]] for batch in batches(store) for row in batch.rows.tolist())


def stepwise(task: TranslationTask, batch: PairBatch, forced: bool, steps: int) -> Tensor:
    """Logits of one sentence from the step interface."""
    model = task.seq2seq
    memory = model.encode(batch.source)
    state, token, logits = model.init(memory), torch.tensor([BOS]), []
    for t in range(steps):
        output = model.step(token, state, memory)
        state = output.state
        logits.append(output.logits[0])
        prediction = output.logits.argmax(1)
        token = batch.target[:, t] if forced and t < batch.target.shape[1] else prediction
    return torch.stack(logits)


@torch.no_grad()
def test_losses_equal_a_loop(trained: tuple[TranslationTask, dict[str, float]], store: TokenStore) -> None:
    task, logged = trained
    sums, word_count, correct = {"loss": 0.0, "loss_free": 0.0}, 0, 0
    for batch in sentences(store):
        target, steps = batch.target[0], batch.target.shape[1]
        forced = stepwise(task, batch, True, steps)
        sums["loss"] += float(F.cross_entropy(forced, target, reduction="sum"))
        free = stepwise(task, batch, False, steps)
        sums["loss_free"] += float(F.cross_entropy(free, target, reduction="sum"))
        correct += int((forced.argmax(1) == target).sum())
        word_count += steps
    assert logged["val/loss"] == pytest.approx(sums["loss"] / word_count, rel=1e-4)
    assert logged["val/loss_free"] == pytest.approx(sums["loss_free"] / word_count, rel=1e-4)
    assert logged["val/accuracy"] == pytest.approx(correct / word_count, rel=1e-6)
    assert logged["val/ppl"] == pytest.approx(math.exp(logged["val/loss"]), rel=1e-5)


@torch.no_grad()
def test_the_free_running_padded_loss_includes_padding_up_to_the_longest_target_of_the_batch(
    trained: tuple[TranslationTask, dict[str, float]], store: TokenStore
) -> None:
    task, logged = trained
    total, steps = 0.0, 0
    for batch in batches(store):
        width = batch.target.shape[1]
        for row in range(len(batch)):
            length = int(batch.source.lengths[row])
            source = type(batch.source)(batch.source.ids[row : row + 1, :length], batch.source.lengths[row : row + 1])
            alone = PairBatch(source, batch.target[row : row + 1], batch.rows[row : row + 1])
            total += float(F.cross_entropy(stepwise(task, alone, False, width), alone.target[0], reduction="sum"))
            steps += width
    assert logged["val/loss_free_padded"] == pytest.approx(total / steps, rel=1e-4)
    assert any((batch.target == PAD).any() for batch in batches(store))


def test_bleu_compares_detokenised_text_with_the_raw_references(
    trained: tuple[TranslationTask, dict[str, float]], store: TokenStore
) -> None:
    task, logged = trained
    part = store.part("valid")
    assert part is not None
    references = part.raw_target()
    outputs = {
        int(batch.rows): store.target.decode(greedy(task.seq2seq, batch.source).tokens[0].tolist())
        for batch in sentences(store)
    }
    raw_references = [references[row] for row in outputs]
    expected = sacrebleu.corpus_bleu(list(outputs.values()), [raw_references], lowercase=True).score
    assert logged["val/bleu"] == pytest.approx(expected, abs=1e-3)
    assert expected > 0
    assert "case:lc" in task.signatures["bleu"]


def test_samples_have_source_reference_output_and_attention(
    trained: tuple[TranslationTask, dict[str, float]], store: TokenStore
) -> None:
    task, _ = trained
    part = store.part("valid")
    assert part is not None
    sample = task.samples[0]
    assert (sample.source, sample.reference) == (part.raw_source()[0], part.raw_target()[0])
    assert sample.attention is not None
    assert sample.attention.shape == (len(sample.output_words), len(sample.source_words))
    assert sample.attention.sum(1) == pytest.approx(1, abs=1e-5)
    assert task.attention_entropy is not None
    assert 0 < task.attention_entropy[0] <= task.attention_entropy[1]


def test_training_lowers_the_loss(trained: tuple[TranslationTask, dict[str, float]], store: TokenStore) -> None:
    _, logged = trained
    assert logged["val/loss"] < math.log(len(store.target.vocabulary)) - 1


def first_batch(store: TokenStore, rows: list[int]) -> PairBatch:
    part: CorpusPart | None = store.part("train")
    assert part is not None
    return PairDataset(part, 1)[rows]


@pytest.mark.parametrize(("count_padding", "smoothing"), [(False, 0.0), (True, 0.0), (False, 0.1)])
def test_the_training_loss_is_a_mean_over_words(store: TokenStore, count_padding: bool, smoothing: float) -> None:
    task = build(store, LossOptions(count_padding=count_padding, label_smoothing=smoothing, precision="fp32")).eval()
    task.log = lambda *_, **__: None  # type: ignore[method-assign]
    batch = first_batch(store, [0, 1, 2, 3])
    logits = task.seq2seq.generator(task.seq2seq(batch)).flatten(0, 1)  # type: ignore[operator]
    target = batch.target.flatten()
    counted = torch.ones_like(target, dtype=torch.bool) if count_padding else target != PAD
    expected = F.cross_entropy(logits[counted], target[counted], label_smoothing=smoothing)
    torch.testing.assert_close(task.training_step(batch, 0), expected, rtol=1e-4, atol=1e-4)
    assert task.last_tokens == int(counted.sum())


def test_every_loss_is_computed_by_the_generator(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    task = build(store, LossOptions(label_smoothing=0.1, precision="fp32")).eval()
    smoothings: list[float] = []
    task.log = lambda *_, **__: None  # type: ignore[method-assign]

    def zero(_: Generator, outputs: Tensor, targets: Tensor, smoothing: float, *__: object) -> Tensor:
        assert len(outputs) == len(targets)
        smoothings.append(smoothing)
        return outputs.sum() * 0

    monkeypatch.setattr(Generator, "loss", zero)
    batch = first_batch(store, [0, 1, 2, 3])
    assert float(task.training_step(batch, 0)) == 0
    task.on_validation_epoch_start()
    task.validation_step(batch, 0)
    means = task._totals.means(task.device)
    assert (means["loss"], means["loss_free"], means["loss_free_padded"]) == (0, 0, 0)
    assert smoothings == [0.1, 0, 0, 0], "training, then the teacher-forced, free-running and padded losses"


def test_a_projection_needs_no_loss_of_its_own(store: TokenStore) -> None:
    batch, task = first_batch(store, [0, 1, 2, 3]), build(store).eval()
    task.log = lambda *_, **__: None  # type: ignore[method-assign]
    expected = task.training_step(batch, 0)
    linear = torch.nn.Linear(16, len(store.target.vocabulary))
    linear.load_state_dict(task.model.generator.state_dict())  # type: ignore[union-attr]
    task.model.generator = linear
    assert torch.equal(task.training_step(batch, 0), expected)


def test_only_training_uses_a_sampled_softmax(store: TokenStore) -> None:
    batch, results = first_batch(store, [0, 1, 2, 3]), []
    for sampled in (None, 1):
        torch.manual_seed(0)
        task = build(store, LossOptions(sampled=sampled, precision="fp32")).eval()
        task.log = lambda *_, **__: None  # type: ignore[method-assign]
        task.on_validation_epoch_start()
        task.validation_step(batch, 0)
        results.append((task.training_step(batch, 0), task._totals.means(task.device)))
    (exact_loss, exact_validation), (sampled_loss, sampled_validation) = results
    assert sampled_loss != exact_loss
    assert exact_validation == sampled_validation


def test_the_random_draws_of_a_step_depend_only_on_its_index(store: TokenStore) -> None:
    task = build(store)
    batch = first_batch(store, [0, 1])
    draws = []
    for _ in range(2):
        torch.rand(7)
        task.on_train_batch_start(batch, 5)
        draws.append(torch.rand(3))
    assert torch.equal(*draws)
    assert len({seed_of(0, 0, epoch, step) for epoch in range(9) for step in range(9)}) == 81


def test_word_vectors_can_be_frozen_or_have_a_lower_learning_rate(store: TokenStore) -> None:
    task = build(store)
    task.optimizer_options = OptimizerOptions(lr=1e-2, embedding_lr=0.1)
    groups = task.configure_optimizers().param_groups
    assert [group["lr"] for group in groups] == [1e-2, pytest.approx(1e-3)]
    assert {id(weight) for weight in groups[1]["params"]} == {id(w) for w in task.model.word_embeddings()}  # type: ignore[operator]
    task.optimizer_options = OptimizerOptions(embedding_lr=0.0)
    assert len(task.configure_optimizers().param_groups) == 1
    assert not task.model.encoder.embedding.weight.requires_grad  # type: ignore[union-attr]


def test_plateau_uses_torchs_scheduler(store: TokenStore) -> None:
    task = build(store, schedule=ScheduleOptions(name="plateau", factor=0.3))
    configured = task.configure_optimizers()["lr_scheduler"]
    assert isinstance(configured["scheduler"], torch.optim.lr_scheduler.ReduceLROnPlateau)
    assert configured["scheduler"].factor == 0.3
    assert configured["monitor"] == "val/bleu"


def test_evenly_spaced_indices_and_entropy_by_hand() -> None:
    assert evenly_spaced(100, 4) == [0, 25, 50, 75]
    assert evenly_spaced(3, 5) == [0, 1, 2]
    assert evenly_spaced(3, 0) == []
    assert entropy_of([]) is None


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_every_precision_trains_with_clipping(store: TokenStore, precision: str) -> None:
    task, data = build(store), ParallelDataModule(store, DataOptions(batch_size=20), 0)
    runner = trainer(max_epochs=1, precision=precision, gradient_clip_val=1.0, limit_train_batches=3)
    runner.fit(task, data)
    assert runner.global_step == 3
    assert math.isfinite(float(runner.callback_metrics["val/loss"]))


def test_the_scale_of_all_dropouts_is_scheduled(store: TokenStore) -> None:
    options = ScheduleOptions(others={"dropout": {"start": 0.0, "end": 1.0, "over": 2, "unit": "epoch"}})
    task, data = build(store), ParallelDataModule(store, DataOptions(batch_size=100), 0)
    scales: list[float] = []
    step = task.training_step

    def recording_step(batch: PairBatch, batch_idx: int) -> Tensor:
        assert task.dropout is not None
        scales.append(task.dropout.scale)
        return step(batch, batch_idx)

    task.training_step = recording_step  # type: ignore[method-assign]
    runner = trainer(max_epochs=3, limit_train_batches=2, limit_val_batches=0)
    runner.callbacks.append(ScheduleCallback(build_schedules(options, ForcingOptions())))  # type: ignore[attr-defined]
    runner.fit(task, data)
    assert scales == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
