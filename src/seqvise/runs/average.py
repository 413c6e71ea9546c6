"""Checkpoint averaging: a new run directory with the mean weights of several checkpoints of a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from seqvise.errors import UserError
from seqvise.files import atomic_folder
from seqvise.outputs import unwritable
from seqvise.runs.directory import ASSETS, CHECKPOINTS, CONFIG
from seqvise.runs.integrity import record_assets
from seqvise.runs.load import Run
from seqvise.runs.model import REMEDY, read_checkpoint, refuse_nan, write_checkpoint

Weights = dict[str, Tensor]

KINDS = {"best": "epoch*.ckpt", "last": "last-epoch*.ckpt"}
"""File patterns of the checkpoints that `callbacks.keep_best` and `callbacks.keep_last` keep."""


def average_run(run: Run, of: str, output: Path) -> list[Path]:
    """Writes a run directory like ``run`` with one checkpoint, the mean of several checkpoints of the run.

    Args:
        run: a run trained with `callbacks.keep_best` or `callbacks.keep_last` above 1.
        of: ``best`` or ``last``: which checkpoints are averaged.
        output: the new folder.

    Returns:
        the averaged checkpoints.

    Raises:
        UserError: the folder exists, the run has fewer than two such checkpoints, or one is damaged.
    """
    if of not in KINDS:
        raise UserError(f"of is '{of}', but must be one of {', '.join(KINDS)}.")
    if output.exists():
        raise UserError(f"output={output} exists: delete it, or choose another folder.")
    if reason := unwritable(output):
        raise UserError(f"output={output} cannot be created: {reason}.")
    paths = sorted((run.path / CHECKPOINTS).glob(KINDS[of]))
    if len(paths) < 2:
        raise UserError(
            f"{run.path} has {len(paths)} checkpoints of callbacks.keep_{of}, but averaging needs at least two: train "
            f"with callbacks.keep_{of}=5."
        )
    weights = mean_weights(paths)
    with atomic_folder(output) as folder:
        shutil.copy(run.path / CONFIG, folder)
        shutil.copytree(run.path / ASSETS, folder / ASSETS)
        (folder / CHECKPOINTS).mkdir()
        record_assets(folder / ASSETS)
        write_checkpoint({"state_dict": weights}, folder / CHECKPOINTS / "best.ckpt")
        (folder / "averaged.json").write_text(json.dumps([str(path) for path in paths], indent=2) + "\n")
    return paths


def mean_weights(paths: Sequence[Path]) -> Weights:
    """The mean of each tensor over checkpoints, summed in double precision. Integer tensors are those of the last file.

    Raises:
        UserError: a file is not a checkpoint, or has other weights than the first.
    """
    first = _weights(paths[0])
    sums = {name: weight.double() for name, weight in first.items() if weight.is_floating_point()}
    last = first
    for path in paths[1:]:
        last = _weights(path)
        if _shapes(last) != _shapes(first):
            raise UserError(f"{path} and {paths[0]} have weights of different names or shapes.")
        for name, total in sums.items():
            total += last[name]
    means = {name: (total / len(paths)).to(first[name].dtype) for name, total in sums.items()}
    return {**last, **means}


def _shapes(weights: Weights) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in weights.items()}


def _weights(path: Path) -> Weights:
    content = read_checkpoint(path)
    if "state_dict" not in content:
        raise UserError(f"{path} is not a complete weights-only checkpoint (it has no state_dict): {REMEDY}")
    weights: Weights = content["state_dict"]
    refuse_nan(weights, path)
    return weights
