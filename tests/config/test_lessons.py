"""The fast.ai experiments have the numbers of the notebooks."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from seqvise.config.compose import compose

NOTEBOOKS: dict[str, dict[str, Any]] = {
    "lesson11/rnn": {
        "tokenizer.normalise": False,
        "tokenizer.max_words": 40_000,
        "data.deduplicate": False,
        "data.cut_percentile": {"source": 97, "target": 99},
        "data.max_tokens.target": 29,
        "data.batch_size": 125,
        "data.valid_batch_size": int(125 * 1.6),
        "optimizer.lr": 3e-3,
        "trainer.max_epochs": 12,
    },
    "lesson11/attention": {"optimizer.lr": 2e-3, "trainer.max_epochs": 15, "model.teacher_forcing.over": 10},
    "lesson11/devise": {
        "data.policy": "exact",
        "data.missing": "leave_out",
        "data.batch_size": 256,
        "optimizer.lr": 1e-2,
        "optimizer.betas": [0.9, 0.99],
        "optimizer.weight_decay": 1e-7,
        "schedule.cycle_epochs": 20,
        "trainer.max_epochs": 40,
    },
    "lesson10/lm": {
        "tokenizer.min_count": 3,  # c > 2
        "model.dropout.scale": 0.7,
        "model.dropout.input": 0.25,
        "model.dropout.words": 0.02,
        "data.batch_size": 52,
        "optimizer.betas": [0.8, 0.99],
    },
    "lesson10/classifier": {
        "tokenizer.min_count": 3,
        # [0.4, 0.5, 0.05, 0.3, 0.4] * 0.5
        "model.dropout.input": 0.2,
        "model.dropout.weights": 0.25,
        "model.dropout.words": 0.025,
        "model.dropout.hidden": 0.15,
        "model.dropout.pooled": 0.2,
        "model.dropout.output": 0.0,
        "model.dropout.head": 0.1,
        "optimizer.betas": [0.7, 0.99],
        "optimizer.weight_decay": 0.0,
        "model.activation": 2.0,
        "model.temporal": 1.0,
        "trainer.gradient_clip_val": 25.0,
    },
}


@pytest.mark.parametrize("experiment", NOTEBOOKS)
def test_an_experiment_has_the_numbers_of_its_notebook(experiment: str) -> None:
    config = compose([f"experiment={experiment}"])
    for key, value in NOTEBOOKS[experiment].items():
        assert OmegaConf.select(config, key) == value, key
