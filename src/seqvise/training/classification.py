"""Builds the data, model and task of a text classifier."""

from __future__ import annotations

from pathlib import Path

from seqvise.config.options import Config
from seqvise.corpus.documents.prepare import prepare_text
from seqvise.corpus.documents.store import SIDE
from seqvise.datamodules.documents import LabelDataModule
from seqvise.inference.classifier import save_labels
from seqvise.paths import cache_folder
from seqvise.runs.model import build_text_model
from seqvise.training.build import Parts, make_task, preparing
from seqvise.training.language_model import load_pretrained, log_report


def build(config: Config, seed: int) -> Parts:
    """Prepares the documents, and builds the model and its task.

    Raises:
        UserError: a file, a package or labels are missing, or the run that `model.encoder` names does not fit.
    """
    with preparing():
        store = prepare_text(
            config.data, config.tokenizer, cache_folder(config.paths), log_report, verify=config.verify
        )
    model = build_text_model(config, len(store.codec.vocabulary), len(store.labels))
    load_pretrained(model, config, store)
    task = make_task(config, model, seed, loss=config.loss, labels=store.labels)

    def write_assets(folder: Path) -> None:
        store.codec.save(folder, SIDE)
        save_labels(folder, store.labels)

    data = LabelDataModule(store, config.data, seed)
    return Parts(data, task, store.part("test") is not None, write_assets)
