"""Documents with labels to a classifier's task."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl

from seqvise.apps.folders import cache_folder
from seqvise.apps.jobs.job import Parts
from seqvise.apps.jobs.language import log_report, start_from
from seqvise.config.classes import TASK, find_class
from seqvise.config.hyperparameters import hyperparameters
from seqvise.config.options import Config
from seqvise.corpus.text_prepare import prepare_text
from seqvise.corpus.text_store import SIDE
from seqvise.datamodules.documents import LabelDataModule
from seqvise.runs.labeller import save_labels
from seqvise.runs.model import build_text_model, option


def build(config: Config, seed: int) -> Parts:
    """Prepares the documents, and builds the model and its task.

    Raises:
        UserError: a file or a package is not there, labels are missing, or the run that `model.encoder` names does not
            fit.
    """
    store = prepare_text(config.data, config.tokenizer, cache_folder(config.paths), log_report)
    model = build_text_model(config, len(store.codec.vocabulary), len(store.labels))
    start_from(model, config, store)
    make = cast(Any, find_class("model.task", option(config.model, "task"), TASK))
    task = make(
        model=model,
        loss=config.loss,
        optimizer=config.optimizer,
        schedule=config.schedule,
        monitor=config.monitor,
        seed=seed,
        labels=store.labels,
    )
    task.save_hyperparameters(hyperparameters(config))

    def write_assets(folder: Path) -> None:
        store.codec.save(folder, SIDE)
        save_labels(folder, store.labels)

    data = LabelDataModule(store, config.data, seed)
    return Parts(data, cast(pl.LightningModule, task), store.part("test") is not None, write_assets)
