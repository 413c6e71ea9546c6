"""Everything that is wrong with a config, told at once and before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqvise.config.faults import nearest, one_line
from seqvise.config.options import Config
from seqvise.config.schema import typed
from seqvise.models.options import ForcingOptions

METRICS: dict[str, tuple[str, ...]] = {
    "seqvise.tasks.translation.Translation": (
        "train/loss",
        "val/loss",
        "val/ppl",
        "val/free_loss",
        "val/lesson_loss",
        "val/accuracy",
        "val/bleu",
        "val/chrf",
    )
}


def validate(cfg: DictConfig) -> list[str]:
    """A sentence for each value, or combination of values, that cannot be right. An empty list is a good config."""
    missing = [f"{key} is not set: give it as {key}=..." for key in sorted(OmegaConf.missing_keys(cfg))]
    if missing:
        return missing
    try:
        config = typed(cfg)
    except (OmegaConfBaseException, ImportError) as error:
        return [one_line(error)]
    return [*_each_node(config), *_together(config)]


def _each_node(config: Config) -> Iterator[str]:
    for field in fields(config):
        problems = getattr(getattr(config, field.name), "problems", None)
        if problems is not None:
            yield from problems(field.name)


def _together(config: Config) -> Iterator[str]:
    yield from _forcing(config)
    yield from _cycle(config)
    yield from _monitor(config)
    yield from _vectors(config)
    yield from _packages(config)


def _forcing(config: Config) -> Iterator[str]:
    forcing = _choice(config.model, "teacher_forcing")
    if not isinstance(forcing, ForcingOptions) or forcing.over is None or forcing.start == forcing.end:
        return
    key, length = ("trainer.max_steps", config.trainer.max_steps)
    if forcing.unit == "epoch":
        key, length = ("trainer.max_epochs", config.trainer.max_epochs)
    if 0 < length < forcing.over:
        yield (
            f"model.teacher_forcing.over is {forcing.over:g} ({forcing.unit}s), longer than training ({key}={length}): "
            f"lower it, raise {key}, or set it to null for all of training."
        )


def _cycle(config: Config) -> Iterator[str]:
    cycle, epochs = config.schedule.cycle_epochs, config.trainer.max_epochs
    if cycle is not None and cycle > epochs:
        yield (
            f"schedule.cycle_epochs is {cycle:g}, longer than training (trainer.max_epochs={epochs}): "
            "lower it, raise trainer.max_epochs, or set it to null for all of training."
        )


def _monitor(config: Config) -> Iterator[str]:
    task, metric = str(_choice(config.model, "task")), config.monitor.metric
    known = METRICS.get(task)
    if known and metric not in known:
        yield f"monitor.metric is '{metric}', which is never logged{nearest(metric, known)} Logged: {', '.join(known)}."


def _vectors(config: Config) -> Iterator[str]:
    width = _choice(config.model, "embedding")
    if config.vectors.name != "none" and isinstance(width, int) and config.vectors.dim != width:
        yield f"vectors.dim is {config.vectors.dim} and model.embedding is {width}, but they must be equal."


def _packages(config: Config) -> Iterator[str]:
    paths = (config.vectors.source or "", config.vectors.target or "")
    binary = config.vectors.name == "fasttext" and any(path.endswith(".bin") for path in paths)
    if config.tokenizer.name == "spacy" and find_spec("spacy") is None:
        yield "tokenizer=spacy needs spaCy: pip install 'seqvise[spacy]', or choose tokenizer=words."
    if (binary or config.vectors.name == "trained") and find_spec("fasttext") is None:
        yield (
            f"vectors={config.vectors.name} needs fastText: pip install 'seqvise[fasttext]', "
            "or choose vectors=none, or vectors in a .vec file."
        )


def _choice(node: Any, name: str) -> Any:
    return node.get(name) if isinstance(node, dict) else getattr(node, name, None)
