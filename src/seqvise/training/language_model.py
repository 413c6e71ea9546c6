"""Builds the data, model and task of a language model."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from torch import nn

from seqvise.config.options import Config
from seqvise.corpus.documents.prepare import prepare_text
from seqvise.corpus.documents.store import SIDE, TextReport, TextStore
from seqvise.datamodules.documents import LabelDataModule
from seqvise.datamodules.stream import StreamDataModule
from seqvise.errors import UserError
from seqvise.inference.classifier import save_labels
from seqvise.options import option
from seqvise.paths import cache_folder
from seqvise.runs.model import build_text_model
from seqvise.training.build import Parts, make_task, preparing
from seqvise.training.pretrained_encoder import load_encoder

log = logging.getLogger(__name__)
MAX_LABELS = 20
"""Labels whose counts are logged."""


def build(config: Config, seed: int) -> Parts:
    """Prepares the text, and builds the model and its task.

    Raises:
        UserError: a file or a package is missing, or the run that `model.encoder` names does not fit.
    """
    with preparing():
        store = prepare_text(
            config.data,
            config.tokenizer,
            cache_folder(config.paths),
            partial(log_report, units=config.tokenizer.units),
            verify=config.verify,
        )
    vocab_size, cutoffs = len(store.codec.vocabulary), option(config.model, "adaptive")
    if cutoffs and cutoffs[-1] >= vocab_size:
        raise UserError(f"model.adaptive is {list(cutoffs)}, but must be below the vocabulary size {vocab_size:,}.")
    model = build_text_model(config, vocab_size)
    load_pretrained(model, config, store)
    arguments = {"loss": config.loss, "store": store, "bptt": config.data.bptt, "samples": config.callbacks.samples}
    task = make_task(config, model, seed, **arguments)

    def write_assets(folder: Path) -> None:
        store.codec.save(folder, SIDE)

    data = StreamDataModule(store, config.data, seed)
    return Parts(data, task, store.part("test") is not None, write_assets)


def load_pretrained(model: nn.Module, config: Config, store: TextStore) -> None:
    """Loads the encoder of the run that `model.encoder` names, and logs how many words it covers."""
    if option(config.model, "encoder") is None:
        return
    coverage = load_encoder(model, config.model, store.codec, config.trust)
    log.info("model.encoder: %d of %d words known; the others get the mean.", coverage.known, coverage.vocab_size)


def log_report(report: TextReport, units: str) -> None:
    """Logs the documents that were read, those of each label, and the vocabulary size. units: name of the tokens."""
    for name, counts in report.inputs.items():
        log.info("data.%s: %s", name, counts.summary().replace("pairs", "documents"))
    for part, counts_by_label in report.labels.items():
        shown = [f"{count} {label}" for label, count in counts_by_label.items()]
        more = ", ..." if len(shown) > MAX_LABELS else ""
        log.info("%s: %d labels, %s%s", part, len(shown), ", ".join(shown[:MAX_LABELS]), more)
    log.info(
        "vocabulary size %d, %.1f %% of validation %s out-of-vocabulary",
        report.side.words,
        100 * report.side.unknown,
        units,
    )


def build_classifier(config: Config, seed: int) -> Parts:
    """Prepares the documents, and builds the model and its task.

    Raises:
        UserError: a file, a package or labels are missing, or the run that `model.encoder` names does not fit.
    """
    with preparing():
        store = prepare_text(
            config.data,
            config.tokenizer,
            cache_folder(config.paths),
            partial(log_report, units=config.tokenizer.units),
            verify=config.verify,
        )
    model = build_text_model(config, len(store.codec.vocabulary), len(store.labels))
    load_pretrained(model, config, store)
    task = make_task(config, model, seed, loss=config.loss, labels=store.labels)

    def write_assets(folder: Path) -> None:
        store.codec.save(folder, SIDE)
        save_labels(folder, store.labels)

    data = LabelDataModule(store, config.data, seed)
    return Parts(data, task, store.part("test") is not None, write_assets)
