"""Sums and means across batches and processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def distributed() -> bool:
    """Whether several processes train together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def world_size() -> int:
    """The number of processes that train together."""
    return dist.get_world_size() if distributed() else 1


class Totals:
    """Weighted means that do not depend on the division into batches and processes."""

    def __init__(self) -> None:
        self.sums: defaultdict[str, Tensor] = defaultdict(lambda: torch.zeros((), dtype=torch.float64))
        self.counts: defaultdict[str, int] = defaultdict(int)

    def add(self, name: str, total: Tensor, count: int) -> None:
        """Adds ``count`` values whose sum is ``total``."""
        self.sums[name] = self.sums[name] + total.detach().double().cpu()
        self.counts[name] += count

    def means(self, device: torch.device) -> dict[str, float]:
        """The mean of each name over all processes; all processes must have added the same names."""
        names = sorted(self.sums)
        table = torch.tensor([[float(self.sums[name]), float(self.counts[name])] for name in names], device=device)
        if distributed():
            dist.all_reduce(table)
        return {name: total / max(count, 1) for name, (total, count) in zip(names, table.tolist(), strict=True)}


def gather_lists(items: list[T]) -> list[T]:
    """The items of all processes, ordered by rank."""
    if not distributed():
        return items
    parts: list[list[T]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(parts, items)
    return [item for part in parts for item in part]


def on_device(counts: Sequence[int], device: torch.device) -> Tensor:
    """Counts as a tensor, (C,), float32, created on the device without a synchronising copy."""
    return torch.stack([torch.full((), float(count), device=device) for count in counts])


def sum_over_processes(counts: Sequence[int], device: torch.device) -> Tensor:
    """The sum of each count over all processes, (C,), float32, on the device."""
    totals = on_device(counts, device)
    if distributed():
        dist.all_reduce(totals)
    return totals


def stack_processes(part: Tensor) -> Tensor:
    """The tensors (...) of all processes, stacked: (processes, ...)."""
    if not distributed():
        return part.unsqueeze(0)
    parts = [torch.empty_like(part) for _ in range(world_size())]
    dist.all_gather(parts, part.contiguous())
    return torch.stack(parts)
