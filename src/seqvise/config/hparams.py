"""The choices that shape a model, as one flat object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seqvise.config.options import Config
from seqvise.config.schema import content

Scalar = bool | int | float | str | None
NODES = ("data", "tokenizer", "vectors", "model", "loss", "optimizer", "schedule")


def hyperparameters(config: Config) -> dict[str, Scalar]:
    """Full names and plain values, for TensorBoard's HPARAMS tab and for checkpoints, which load without running code.

    Folders and file names stay out: two runs on the same text are to look the same wherever it lies.
    """
    every = content(config)
    chosen = {name: every[name] for name in NODES}
    chosen["data"] = {name: value for name, value in chosen["data"].items() if name != "root"}
    flat = {"seed": config.seed, "trainer.max_epochs": config.trainer.max_epochs}
    return flat | dict(_flatten(chosen, ""))


def _flatten(node: dict[str, Any], prefix: str) -> Iterator[tuple[str, Scalar]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, Scalar) else str(value)
