"""``seqvise baselines``: zero-shot baselines on image features, without a trained head."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from omegaconf import DictConfig, OmegaConf

from seqvise.cli.support.hydra_command import hydra_command
from seqvise.config.schema import typed
from seqvise.config.validate import validate
from seqvise.launching.processes import job_directory

if TYPE_CHECKING:
    from seqvise.tasks.baselines import Contest
    from seqvise.training.images import ImageJob

COMMAND = "seqvise baselines"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise baselines`` and returns its exit code."""
    return hydra_command(_baselines, argv, check=_errors)


def _errors(cfg: DictConfig) -> list[str]:
    if cfg.data.get("kind") != "images":
        return [f"data.kind is '{cfg.data.get('kind')}', but baselines need images: choose data=image_folder."]
    # No metric is monitored here, and the default one belongs to translation.
    return validate(cast(DictConfig, OmegaConf.merge(cfg, {"monitor": {"metric": "val/hit@1", "mode": "max"}})))


def _baselines(cfg: DictConfig, _start: list[str]) -> None:
    if cfg.seed is None:
        cfg.seed = secrets.randbelow(2**31)
    cfg.paths.run = str(job_directory())

    from seqvise.runs.directory import RunDirectory
    from seqvise.runs.environment import device_name
    from seqvise.training.acquire import acquire
    from seqvise.training.fit import show_rounds, write_environment
    from seqvise.training.images import read_job
    from seqvise.training.trainer import build_trainer

    config = typed(cfg)
    run = RunDirectory(Path(cfg.paths.run))
    with run.locked(), run.recorded():
        config = acquire(config)
        run.write_config(config)
        trainer = build_trainer(config, run, [])
        job = read_job(config, cfg.seed)
        metrics = dict(measure_baselines(job, contest_of(job)))
        write_environment(run, config, trainer)
        device = device_name(trainer.strategy.root_device)
        run.write_metrics({"command": COMMAND, **metrics, **job.summary(), "device": device, "seed": cfg.seed})
    show_rounds(metrics)
    print(f"run: {run.path}")


def contest_of(job: ImageJob) -> Contest:
    """The features of training, validation and test data; without a test part, validation data serve as test data."""
    import numpy as np

    from seqvise.tasks.baselines import Contest, Features
    from seqvise.tasks.zero_shot import HELD_OUT, SEEN

    store, rows = job.features(), job.split.rows

    def features(part: str) -> Features:
        readable = store.good(rows[part])
        return Features(store.read(readable).astype(np.float32), job.split.images.labels[readable].astype(np.int64))

    test_part = "test" if "test" in rows else "valid"
    parts = {SEEN: test_part, HELD_OUT: f"{test_part}_held_out"}
    test = {kind: features(part) for kind, part in parts.items() if len(rows[part])}
    return Contest(features("train"), features("valid"), test, job.protocol())


def measure_baselines(job: ImageJob, contest: Contest) -> Iterator[tuple[str, float]]:
    """Yields metrics as ``<baseline>/<round>/hit@k``, and the chance level as ``chance/<round>/...``."""
    from seqvise.tasks import baselines

    logits = baselines.train_softmax(contest, job.seed)
    seen = contest.protocol.labels.vectors[contest.protocol.seen]
    rounds = {
        "ridge": baselines.ridge_metrics(contest),
        "random": baselines.random_metrics(contest, job.seed),
        "softmax": baselines.softmax_metrics(contest, logits),
        "conse": baselines.conse_metrics(contest, logits, seen),
        "chance": contest.chances(),
    }
    if job.network.head is not None and job.words.wordnet is not None:
        backbone_logits = baselines.logits_of(job.network.head)
        classes = job.words.classes(backbone_logits(contest.valid.inputs[:1]).shape[1])
        rounds["conse_backbone"] = baselines.conse_metrics(contest, backbone_logits, classes)
    for name, metrics in rounds.items():
        yield from ((f"{name}/{metric}", value) for metric, value in metrics)
