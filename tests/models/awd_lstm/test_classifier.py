"""The document classifier: windows, padding, truncated gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqvise.models.awd_lstm.classifier import TextClassifier
from seqvise.models.awd_lstm.model import StreamOutput, activation_penalty
from seqvise.models.awd_lstm.options import ClassifierDropoutOptions, ClassifierOptions
from seqvise.models.interface import PAD, SourceBatch, source_batch

VOCAB_SIZE, LABELS = 13, 3


def model(**choices: Any) -> TextClassifier:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"embedding": 5, "hidden": 7, "layers": 2, "head": 6, "window": 4}
    options = ClassifierOptions(**{**sizes, **choices}, dropout=ClassifierDropoutOptions(scale=0.0))
    return TextClassifier(options, VOCAB_SIZE, LABELS).double()


def documents(*lengths: int) -> SourceBatch:
    generator = torch.Generator().manual_seed(2)
    return source_batch([torch.randint(4, VOCAB_SIZE, (n,), generator=generator).int().numpy() for n in lengths])


def test_logits_equal_those_of_single_documents_without_windows() -> None:
    net = model().eval()
    batch = documents(11, 3, 8)
    logits = net(batch).logits
    for row, length in enumerate(batch.lengths.tolist()):
        outputs = net.encoder(batch.ids[row : row + 1, :length]).outputs[0]
        pooled = torch.cat([outputs[-1], outputs.amax(0), outputs.mean(0)])
        torch.testing.assert_close(logits[row], net.head(pooled.unsqueeze(0))[0])


def test_gradients_stay_within_a_window_of_the_span() -> None:
    net = model(span=5)
    batch = documents(11, 11)
    gradients = []
    for encode in (lambda: net.encode(batch.ids), lambda: encode_by_hand(net, batch.ids)):
        net.zero_grad()
        outputs = encode()
        outputs = outputs.outputs if isinstance(outputs, StreamOutput) else outputs
        outputs.square().sum().backward()
        gradients.append([weight.grad.clone() for weight in net.encoder.parameters() if weight.grad is not None])
    for gradient, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, expected)


def encode_by_hand(net: TextClassifier, ids: Tensor) -> Tensor:
    """Windows of 4 of 11 steps; the last two windows overlap the span of 5."""
    first = net.encoder(ids[:, :4])
    state = tuple(tuple(part.detach() for part in layer) for layer in first.state)
    second = net.encoder(ids[:, 4:8], state)
    state = tuple(tuple(part.detach() for part in layer) for layer in second.state)
    third = net.encoder(ids[:, 8:], state)
    return torch.cat([first.outputs.detach(), second.outputs, third.outputs], 1)


def test_padding_gets_no_gradient() -> None:
    net = model().train()
    net.head.eval()
    batch = documents(9, 5)
    net(batch).logits.sum().backward()
    assert net.encoder.embedding.weight.grad is not None
    assert not net.encoder.embedding.weight.grad[PAD].any()


def test_penalties_ignore_padding() -> None:
    raw = torch.tensor([[[1.0], [3.0], [9.0]], [[2.0], [2.0], [4.0]]])
    real = torch.tensor([[True, True, False], [True, True, True]])
    # Squared outputs: 1, 9, 4, 4, 16. Changes: 2, 0, 2.
    penalty = activation_penalty(StreamOutput(raw, raw, ()), 1.0, 3.0, real)
    assert float(penalty) == pytest.approx(34 / 5 + 3 * 8 / 3)


def test_parameter_groups_and_unfreezing() -> None:
    net = model(unfreeze=[0, 1, 3], group_rates=[0.1, 0.2, 0.3, 1.0])
    assert sum(map(len, net.groups())) == len(list(net.parameters()))
    trained = []
    for epoch in (0, 1, 2, 3):
        net.unfreeze(epoch)
        trained.append([all(weight.requires_grad for weight in group) for group in net.groups()])
    head_and_last_layer = [False, False, True, True]
    assert trained == [[False, False, False, True], head_and_last_layer, head_and_last_layer, [True] * 4]
    assert net.rate_groups()[3][1] == 1.0
    assert net.rate_groups()[3][0][0] is next(net.head.parameters())
