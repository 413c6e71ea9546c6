"""Text to a language model's task."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import nn

from seqvise.config.options import Config
from seqvise.corpus.documents.prepare import prepare_text
from seqvise.corpus.documents.store import SIDE, TextReport, TextStore
from seqvise.datamodules.stream import StreamDataModule
from seqvise.errors import UserError
from seqvise.paths import cache_folder
from seqvise.runs.model import build_text_model, option
from seqvise.training.build import Parts, make_task, preparing
from seqvise.training.pretrained_encoder import load_encoder

log = logging.getLogger(__name__)


def build(config: Config, seed: int) -> Parts:
    """Prepares the text, and builds the model and its task.

    Raises:
        UserError: a file or a package is not there, or the run that `model.encoder` names does not fit.
    """
    with preparing():
        store = prepare_text(
            config.data, config.tokenizer, cache_folder(config.paths), log_report, verify=config.verify
        )
    words, cuts = len(store.codec.vocabulary), option(config.model, "adaptive")
    if cuts and cuts[-1] >= words:
        raise UserError(f"model.adaptive is {list(cuts)}, but the vocabulary has no more than {words:,} words.")
    model = build_text_model(config, words)
    start_from(model, config, store)
    own = {"loss": config.loss, "store": store, "bptt": config.data.bptt, "samples": config.callbacks.samples}
    task = make_task(config, model, seed, **own)

    def write_assets(folder: Path) -> None:
        store.codec.save(folder, SIDE)

    data = StreamDataModule(store, config.data, seed)
    return Parts(data, task, store.part("test") is not None, write_assets)


def start_from(model: nn.Module, config: Config, store: TextStore) -> None:
    """Puts the encoder that `model.encoder` names into the model, and says how many words it knew."""
    if option(config.model, "encoder") is None:
        return
    found = load_encoder(model, config.model, store.codec, config.trust)
    log.info("model.encoder: %d of %d words were known; the others get the mean.", found.known, found.words)


def log_report(report: TextReport) -> None:
    """Says what was read and kept."""
    for name, tally in report.inputs.items():
        log.info("data.%s: %s", name, tally.summary().replace("pairs", "documents"))
    log.info("%d words, %.1f %% of validation words unknown", report.side.words, 100 * report.side.unknown)
