"""Fused networks have the same outputs."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from seqvise.images.backbones import fuse_batch_norms, load_network
from seqvise.images.options import ImageOptions, TransformOptions
from tests.images.draw import TINY

pytest.importorskip("torchvision")


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]


def lively(module: nn.Module) -> None:
    """Sets the parameters and statistics of batch norms to random values."""
    generator = torch.Generator().manual_seed(1)
    for norm in norms(module):
        for value in (norm.running_mean, norm.bias.data, norm.running_var, norm.weight.data):
            assert value is not None
            value.copy_(0.5 + 0.5 * torch.rand(value.shape, generator=generator))


@pytest.mark.parametrize(
    ("name", "remaining"),
    [(TINY, 0), ("mobilenet_v2", 0), ("resnet18", 0), ("shufflenet_v2_x0_5", 0), ("densenet121", 62)],
)
def test_a_fused_network_has_the_same_output_with_fewer_modules(name: str, remaining: int) -> None:
    transform = TransformOptions(resize=32, crop=32)
    network = load_network(ImageOptions(backbone=name, weights=None, transform=transform)).backbone
    lively(network)
    before = len(norms(network))
    fused = fuse_batch_norms(network, 32)
    assert len(norms(fused)) == remaining
    assert len(norms(network)) == before > remaining
    images = torch.randint(0, 256, (3, 3, 48, 40), dtype=torch.uint8)
    with torch.inference_mode():
        expected = network(images)
        torch.testing.assert_close(fused(images), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


class Crossed(nn.Module):
    """Its modules run in another order than they are defined."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.norm(self.second(self.first(images.float()))))


@pytest.mark.parametrize("network", [Crossed(), nn.Sequential(nn.Conv2d(3, 4, 3))])
def test_unfusable_networks_are_returned_unchanged(network: nn.Module) -> None:
    network.eval()
    lively(network)
    assert fuse_batch_norms(network, 8) is network
