"""Training and metrics of the language model task against simple loops."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from seqvise.corpus.documents.options import StreamOptions
from seqvise.corpus.documents.prepare import prepare_text
from seqvise.corpus.documents.store import TextStore
from seqvise.corpus.tokens.options import TokenizerOptions
from seqvise.datamodules.stream import StreamBatch, StreamDataModule
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.awd_lstm.options import LanguageModelOptions, StreamDropoutOptions
from seqvise.schedules.options import ScheduleOptions
from seqvise.tasks.language_model import STATE, LanguageModel, rescaled
from seqvise.tasks.options import LossOptions, MonitorOptions, OptimizerOptions

BPTT = 12
DATA = StreamOptions(
    name="phrases", format="phrasebook", limit=60, batch_size=4, valid_batch_size=3, bptt=BPTT, bptt_deviation=3
)


@pytest.fixture(scope="module")
def text(cache: Path) -> TextStore:
    return prepare_text(DATA, TokenizerOptions(name="words"), cache)


def build(text: TextStore, **choices: Any) -> LanguageModel:
    torch.manual_seed(0)
    options = LanguageModelOptions(embedding=12, hidden=16, layers=2, **choices)
    options.dropout = StreamDropoutOptions(scale=0.0)
    return LanguageModel(
        AwdLstm(options, len(text.codec.vocabulary)),
        LossOptions(precision="fp32", chunk=7),
        OptimizerOptions(name="sgd", lr=2.0, momentum=0.0, weight_decay=1e-4),
        ScheduleOptions(name="constant"),
        MonitorOptions("val/ppl", "min"),
        text,
        seed=1,
        bptt=BPTT,
        samples=3,
    )


def trainer(**options: Any) -> pl.Trainer:
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "accelerator": "cpu", "num_sanity_val_steps": 0}
    return pl.Trainer(**{**quiet, **options}, use_distributed_sampler=False)


@pytest.fixture(scope="module", params=[None, [9, 25]], ids=["whole", "adaptive"])
def trained(text: TextStore, request: pytest.FixtureRequest) -> tuple[LanguageModel, dict[str, float]]:
    """A task after two epochs and its logged metrics, with a full and with an adaptive softmax."""
    task, runner = build(text, adaptive=request.param), trainer(max_epochs=2, gradient_clip_val=0.3)
    runner.fit(task, StreamDataModule(text, DATA, 5))
    return task.eval(), {name: float(value) for name, value in runner.callback_metrics.items()}


def plain_window(model: AwdLstm, batch: StreamBatch, state: Any) -> tuple[Tensor, Any]:
    """A window's loss with the penalties, from full logits."""
    values, states = model.encoder.embedding(batch.inputs.t()), []
    for index, layer in enumerate(model.encoder.layers):
        values, new_state = layer(values, None if state is None else state[index])
        states.append(tuple(part.detach() for part in new_state))
    logits = model.generator(values).transpose(0, 1)
    loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    return loss + 2.0 * values.square().mean() + (values[1:] - values[:-1]).square().mean(), states


def test_training_equals_a_loop_with_carried_state_and_rescaled_learning_rates(
    text: TextStore, trained: tuple[LanguageModel, dict[str, float]]
) -> None:
    task = trained[0]
    reference = build(text, adaptive=task.language_model.options.adaptive)
    optimizer = torch.optim.SGD(reference.parameters(), lr=2.0, weight_decay=1e-4)
    loader = StreamDataModule(text, DATA, 5).train_dataloader()
    lengths = set()
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        state = None
        for batch in loader:
            lengths.add(batch.inputs.shape[1])
            optimizer.param_groups[0]["lr"] = 2.0 * batch.inputs.shape[1] / BPTT
            optimizer.zero_grad()
            loss, state = plain_window(reference.language_model, batch, state)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.3)
            optimizer.step()
    assert len(lengths) > 3
    for (name, weight), expected in zip(task.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=1e-3, atol=1e-5, msg=name)


@torch.no_grad()
def test_validation_metrics_are_means_over_all_words_of_the_stream(
    text: TextStore, trained: tuple[LanguageModel, dict[str, float]]
) -> None:
    task, logged = trained
    part = text.part("valid")
    assert part is not None
    ids = torch.tensor(part.stream().astype("int64"))
    cuts = [position * (len(ids) - 1) // 3 for position in range(4)]
    total, correct = 0.0, 0
    for start, end in pairwise(cuts):
        state = None
        for position in range(start, end):  # one word at a time
            output = task.language_model(ids[position].view(1, 1), state)
            state = output.state
            logits = task.language_model.generator(output.outputs[0])
            total += float(F.cross_entropy(logits, ids[position + 1].view(1)))
            correct += int(logits.argmax() == ids[position + 1])
    assert logged["val/loss"] == pytest.approx(total / (len(ids) - 1), rel=1e-4)
    assert logged["val/ppl"] == pytest.approx(math.exp(total / (len(ids) - 1)), rel=1e-3)
    assert logged["val/accuracy"] == pytest.approx(correct / (len(ids) - 1), rel=1e-5)


def test_the_validation_loss_does_not_depend_on_the_window_length(text: TextStore) -> None:
    losses = []
    for bptt in (5, 40):
        data = StreamOptions(**{**vars(DATA), "bptt": bptt})
        (logged,) = trainer().validate(build(text), StreamDataModule(text, data, 5), verbose=False)
        losses.append(logged["val/loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_state_is_carried_reset_and_unchanged_by_validation(text: TextStore) -> None:
    task, module = build(text), StreamDataModule(text, DATA, 5)
    task.log = lambda *_, **__: None  # type: ignore[method-assign]
    first, second = list(module.train_dataloader())[:2]
    task.training_step(first, 0)
    after_first = task.state
    assert after_first is not None
    assert not any(part.requires_grad for layer in after_first for part in layer)
    task.on_validation_epoch_start()
    for batch in module.val_dataloader():
        task.validation_step(batch, 0)
    assert task.state is after_first
    carried = task.training_step(second, 1)
    expected, _ = plain_window(
        task.language_model, second, [tuple(p.unsqueeze(0) for p in layer) for layer in after_first]
    )
    torch.testing.assert_close(carried, expected)
    without_state, _ = plain_window(task.language_model, second, None)
    assert abs(float(carried - without_state)) > 1e-6
    expected_first, _ = plain_window(task.language_model, first, None)
    torch.testing.assert_close(task.training_step(first, 0), expected_first)


def test_the_state_is_saved_in_checkpoints_but_not_in_the_state_dict(text: TextStore) -> None:
    task = build(text)
    task.log = lambda *_, **__: None  # type: ignore[method-assign]
    names = set(task.state_dict())
    task.training_step(next(iter(StreamDataModule(text, DATA, 5).train_dataloader())), 0)
    assert set(task.state_dict()) == names
    saved: dict[str, Any] = {}
    task.on_save_checkpoint(saved)
    assert [part.shape for layer in saved[STATE] for part in layer] == [(1, 4, 16)] * 2 + [(1, 4, 12)] * 2


def test_learning_rates_are_restored_after_a_step() -> None:
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[:1], "lr": 3.0}, {"params": weights[1:], "lr": 0.5}])
    with rescaled(optimizer, 0.5):
        assert [group["lr"] for group in optimizer.param_groups] == [1.5, 0.25]
    assert [group["lr"] for group in optimizer.param_groups] == [3.0, 0.5]


def test_learning_rates_are_rescaled_only_with_rescale_rate(text: TextStore) -> None:
    batch = next(iter(StreamDataModule(text, DATA, 5).train_dataloader()))
    for rescale, factor in ((True, batch.inputs.shape[1] / BPTT), (False, 1.0)):
        task = build(text, rescale_rate=rescale)
        task.on_train_batch_start(batch, 0)
        assert task._factor == factor
    assert batch.inputs.shape[1] != BPTT


def test_samples_continue_validation_documents(
    trained: tuple[LanguageModel, dict[str, float]], text: TextStore
) -> None:
    task, _ = trained
    assert len(task.samples) == 3
    part = text.part("valid")
    assert part is not None
    documents = {text.codec.decode(part.documents[row]) for row in range(len(part))}
    for sample in task.samples:
        assert len(sample.source_words) == 5
        assert any(document.startswith(sample.source) for document in documents)
        assert "<unk>" not in sample.output_words
