"""The classifier: windows, padding, truncated gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqvise.models.awd_lstm.classifier import TextClassifier
from seqvise.models.awd_lstm.model import Read, activation_penalty
from seqvise.models.awd_lstm.options import ClassifierDropoutOptions, ClassifierOptions
from seqvise.models.interface import PAD, SourceBatch, source_batch

WORDS, LABELS = 13, 3


def model(**choices: Any) -> TextClassifier:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"embedding": 5, "hidden": 7, "layers": 2, "head": 6, "window": 4}
    options = ClassifierOptions(**{**sizes, **choices}, dropout=ClassifierDropoutOptions(scale=0.0))
    return TextClassifier(options, WORDS, LABELS).double()


def documents(*lengths: int) -> SourceBatch:
    generator = torch.Generator().manual_seed(2)
    return source_batch([torch.randint(4, WORDS, (n,), generator=generator).int().numpy() for n in lengths])


def test_logits_are_those_of_each_document_alone_read_at_once() -> None:
    net = model().eval()
    together = documents(11, 3, 8)
    found = net(together).logits
    for row, length in enumerate(together.lengths.tolist()):
        outputs = net.encoder(together.ids[row : row + 1, :length]).outputs[0]
        pooled = torch.cat([outputs[-1], outputs.amax(0), outputs.mean(0)])
        torch.testing.assert_close(found[row], net.head(pooled.unsqueeze(0))[0])


def test_gradients_go_back_through_a_window_and_come_from_the_span() -> None:
    net = model(span=5)
    batch = documents(11, 11)
    kinds = []
    for read in (lambda: net.read(batch.ids), lambda: plain(net, batch.ids)):
        net.zero_grad()
        outputs = read()
        outputs = outputs.outputs if isinstance(outputs, Read) else outputs
        outputs.square().sum().backward()
        kinds.append([weight.grad.clone() for weight in net.encoder.parameters() if weight.grad is not None])
    for mine, theirs in zip(*kinds, strict=True):
        torch.testing.assert_close(mine, theirs)


def plain(net: TextClassifier, ids: Tensor) -> Tensor:
    """Windows of 4 of 11 steps, of which the last two reach into the span of 5."""
    first = net.encoder(ids[:, :4])
    state = tuple(tuple(part.detach() for part in layer) for layer in first.state)
    second = net.encoder(ids[:, 4:8], state)
    state = tuple(tuple(part.detach() for part in layer) for layer in second.state)
    third = net.encoder(ids[:, 8:], state)
    return torch.cat([first.outputs.detach(), second.outputs, third.outputs], 1)


def test_padding_weighs_nothing() -> None:
    net = model().train()
    net.head.eval()
    batch = documents(9, 5)
    net(batch).logits.sum().backward()
    assert net.encoder.embedding.weight.grad is not None
    assert not net.encoder.embedding.weight.grad[PAD].any()


def test_penalties_count_real_steps_alone() -> None:
    raw = torch.tensor([[[1.0], [3.0], [9.0]], [[2.0], [2.0], [4.0]]])
    real = torch.tensor([[True, True, False], [True, True, True]])
    # squares 1, 9, 4, 4, 16 of outputs; changes 2, 0, 2
    penalty = activation_penalty(Read(raw, raw, ()), 1.0, 3.0, real)
    assert float(penalty) == pytest.approx(34 / 5 + 3 * 8 / 3)


def test_groups_and_stages() -> None:
    net = model(unfreeze=[0, 1, 3], group_rates=[0.1, 0.2, 0.3, 1.0])
    assert sum(map(len, net.groups())) == len(list(net.parameters()))
    trained = []
    for epoch in (0, 1, 2, 3):
        net.unfreeze(epoch)
        trained.append([all(weight.requires_grad for weight in group) for group in net.groups()])
    late = [False, False, True, True]
    assert trained == [[False, False, False, True], late, late, [True] * 4]
    assert net.rate_groups()[3][1] == 1.0
    assert net.rate_groups()[3][0][0] is next(net.head.parameters())
