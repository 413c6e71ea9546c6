"""Builds the data, model and task of a translation model."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from seqvise.config.options import Config
from seqvise.corpus.parallel.prepare import prepare_corpus
from seqvise.corpus.parallel.report import CorpusReport
from seqvise.corpus.parallel.store import TokenStore
from seqvise.corpus.tokens.vocabulary import Vocabulary
from seqvise.datamodules.parallel import ParallelDataModule
from seqvise.errors import UserError
from seqvise.models.interface import LoadsWordVectors
from seqvise.models.recurrent.model import Recurrent
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.options import option
from seqvise.paths import cache_folder
from seqvise.runs.model import build_model
from seqvise.training.build import Parts, forcing_of, make_task, preparing
from seqvise.training.pretrained_seq2seq import load_language_models
from seqvise.vectors.initialise import check_files, initial_vectors

log = logging.getLogger(__name__)


def build(config: Config, seed: int) -> Parts:
    """Prepares the corpus, and builds the model and its task.

    Raises:
        UserError: a file or a package is missing.
    """
    check_files(config.vectors, option(config.model, "embedding"))
    with preparing():
        store = prepare_corpus(
            config.data,
            config.tokenizer,
            cache_folder(config.paths),
            partial(_log_report, units=config.tokenizer.units),
            verify=config.verify,
        )
    model = build_model(config, len(store.source.vocabulary), len(store.target.vocabulary))
    _load_vectors(model, config, store, seed)
    _load_pretrained(model, config, store)
    data = ParallelDataModule(store, config.data, seed)

    def write_assets(folder: Path) -> None:
        store.source.save(folder, "source")
        store.target.save(folder, "target")

    shown = max(config.callbacks.samples, config.callbacks.attention_maps)
    arguments = {"loss": config.loss, "forcing": forcing_of(config), "store": store, "samples": shown}
    return Parts(data, make_task(config, model, seed, **arguments), store.part("test") is not None, write_assets)


def _load_vectors(model: nn.Module, config: Config, store: TokenStore, seed: int) -> None:
    """Loads the word vectors of the `vectors` node into the model, and logs their coverage."""
    with preparing():
        matrices = {side: _side_vectors(config, store, side, seed) for side in ("source", "target")}
    if any(matrix is not None for matrix in matrices.values()):
        if not isinstance(model, LoadsWordVectors):
            raise UserError(
                f"vectors={config.vectors.name}, but {type(model).__name__} has no load_word_vectors: "
                "choose vectors=none, or add this method as in seqvise.models.recurrent.model.Recurrent."
            )
        model.load_word_vectors(matrices["source"], matrices["target"])


def _load_pretrained(model: nn.Module, config: Config, store: TokenStore) -> None:
    """Loads the language models of `model.pretrained` into the model, and logs the loaded weights."""
    if isinstance(config.model, RecurrentOptions) and isinstance(model, Recurrent):
        for loaded in load_language_models(model, config.model, store.source, store.target, config.trust):
            log.info("%s", loaded.summary())


def _side_vectors(config: Config, store: TokenStore, side: str, seed: int) -> torch.Tensor | None:
    vocabulary: Vocabulary = getattr(store, side).vocabulary
    vectors = initial_vectors(
        config.vectors,
        words=vocabulary.words,
        counts=vocabulary.counts,
        path=getattr(config.vectors, side),
        dim=option(config.model, "embedding"),
        cache=Path(config.paths.cache),
        seed=seed,
        lines=lambda: _training_words(store, side),
    )
    if vectors is None:
        return None
    matrix, coverage = vectors
    if coverage.missing and not coverage.known:
        raise UserError(
            f"vectors.{side} has a vector for none of the {coverage.missing:,} words of the {side} side, such as "
            f"{', '.join(coverage.examples)}: set it to vectors of that language."
        )
    few = coverage.known < coverage.missing
    log.log(logging.WARNING if few else logging.INFO, "Word vectors, %s side: %s", side, coverage)
    return torch.from_numpy(matrix)


def _training_words(store: TokenStore, side: str) -> Iterable[list[str]]:
    part = store.part("train")
    codec, column = getattr(store, side), getattr(part, side)
    return (codec.words(column[row]) for row in range(len(column)))


def _log_report(report: CorpusReport, units: str) -> None:
    for name, counts in report.inputs.items():
        log.info("data.%s: %s", name, counts.summary())
    for warning in report.warnings:
        log.warning(warning)
    for name, side in (("source", report.source), ("target", report.target)):
        log.info(
            "%s (%s): vocabulary size %s, %.1f %% of validation %s out-of-vocabulary",
            name,
            side.language,
            side.words,
            100 * side.unknown,
            units,
        )
