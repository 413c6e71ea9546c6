"""Former dotted paths of modules and classes, and former names of experiments and metrics.

Former paths occur in the ``config.yaml`` of finished runs, in users' configs (``_target_``, ``model.task``) and in
users' imports. All of them remain valid: ``current`` translates a path, and ``MovedFinder`` imports a former module.
Former names of metrics also occur in the results, curves and checkpoints of runs.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

MODULES = {
    "seqvise.apps.arguments": "seqvise.cli.support.plain_command",
    "seqvise.apps.average": "seqvise.cli.average",
    "seqvise.apps.baselines": "seqvise.cli.baselines",
    "seqvise.apps.classify": "seqvise.cli.classify",
    "seqvise.apps.command": "seqvise.cli.support.plain_command",
    "seqvise.apps.encoder": "seqvise.cli.encoder",
    "seqvise.apps.evaluate": "seqvise.cli.evaluate",
    "seqvise.apps.exits": "seqvise.cli.support.exit_codes",
    "seqvise.apps.export": "seqvise.cli.export",
    "seqvise.apps.fetching": "seqvise.training.acquire",
    "seqvise.apps.find_batch_size": "seqvise.cli.find_batch_size",
    "seqvise.apps.find_lr": "seqvise.cli.find_lr",
    "seqvise.apps.fit": "seqvise.training.fit",
    "seqvise.apps.folders": "seqvise.paths",
    "seqvise.apps.heatmap": "seqvise.reports.attention_map",
    "seqvise.apps.hydra_app": "seqvise.cli.support.hydra_command",
    "seqvise.apps.index": "seqvise.cli.index",
    "seqvise.apps.inputs": "seqvise.cli.support.inputs",
    "seqvise.apps.jobs.classification": "seqvise.training.language_model",
    "seqvise.apps.jobs.images": "seqvise.training.images",
    "seqvise.apps.jobs.job": "seqvise.training.build",
    "seqvise.apps.jobs.language": "seqvise.training.language_model",
    "seqvise.apps.jobs.translation": "seqvise.training.translation",
    "seqvise.apps.jobs.words": "seqvise.images.label_space",
    "seqvise.apps.lines": "seqvise.cli.support.lines",
    "seqvise.apps.main": "seqvise.cli.main",
    "seqvise.apps.pictures": "seqvise.training.acquire",
    "seqvise.apps.prepare": "seqvise.cli.prepare",
    "seqvise.apps.prepare_images": "seqvise.training.image_features",
    "seqvise.apps.prepare_text": "seqvise.cli.prepare",
    "seqvise.apps.report": "seqvise.cli.report",
    "seqvise.apps.rounds": "seqvise.training.fit",
    "seqvise.apps.runs": "seqvise.cli.runs",
    "seqvise.apps.search": "seqvise.cli.search",
    "seqvise.apps.shortlist": "seqvise.cli.shortlist",
    "seqvise.apps.train": "seqvise.cli.train",
    "seqvise.apps.translate": "seqvise.cli.translate",
    "seqvise.apps.translators": "seqvise.cli.translate",
    "seqvise.apps.tune": "seqvise.cli.tune",
    "seqvise.apps.tune_words": "seqvise.tuning.plan",
    "seqvise.apps.vectors": "seqvise.cli.vectors",
    "seqvise.apps.verify": "seqvise.cli.verify",
    "seqvise.callbacks.confusion": "seqvise.callbacks.dashboard",
    "seqvise.callbacks.history": "seqvise.callbacks.progress",
    "seqvise.callbacks.hyperparameters": "seqvise.callbacks.dashboard",
    "seqvise.callbacks.pictures": "seqvise.figures",
    "seqvise.callbacks.resuming": "seqvise.callbacks.exact_resume",
    "seqvise.callbacks.samples": "seqvise.callbacks.dashboard",
    "seqvise.callbacks.schedules": "seqvise.schedules.curves",
    "seqvise.callbacks.signals": "seqvise.callbacks.training_metrics",
    "seqvise.callbacks.smoothing": "seqvise.callbacks.throughput",
    "seqvise.callbacks.speed": "seqvise.callbacks.throughput",
    "seqvise.callbacks.stopping": "seqvise.callbacks.save_on_signal",
    "seqvise.config.classes": "seqvise.config.registry",
    "seqvise.config.faults": "seqvise.config.hydra_errors",
    "seqvise.config.hyperparameters": "seqvise.config.schema",
    "seqvise.config.processes": "seqvise.config.distributed_env",
    "seqvise.config.text_rules": "seqvise.config.validate",
    "seqvise.config.tree": "seqvise.config.search_path",
    "seqvise.corpus.codec": "seqvise.corpus.tokens.codec",
    "seqvise.corpus.detokenizer": "seqvise.corpus.tokens.codec",
    "seqvise.corpus.documents": "seqvise.corpus.documents.readers",
    "seqvise.corpus.duplicates": "seqvise.corpus.parallel.duplicates",
    "seqvise.corpus.filters": "seqvise.corpus.parallel.filters",
    "seqvise.corpus.identity": "seqvise.corpus.parallel.fingerprint",
    "seqvise.corpus.intake": "seqvise.corpus.parallel.ingest",
    "seqvise.corpus.joins": "seqvise.corpus.parallel.spool",
    "seqvise.corpus.journal": "seqvise.corpus.parallel.journal",
    "seqvise.corpus.languages": "seqvise.corpus.parallel.languages",
    "seqvise.corpus.lexical": "seqvise.corpus.parallel.ibm_model1",
    "seqvise.corpus.normalise": "seqvise.corpus.tokens.tokenizers",
    "seqvise.corpus.phrasebook": "seqvise.corpus.phrasebook.corpus",
    "seqvise.corpus.phrasebook_clause": "seqvise.corpus.phrasebook.clause",
    "seqvise.corpus.phrasebook_draws": "seqvise.corpus.phrasebook.draws",
    "seqvise.corpus.phrasebook_english": "seqvise.corpus.phrasebook.english",
    "seqvise.corpus.phrasebook_french": "seqvise.corpus.phrasebook.french",
    "seqvise.corpus.phrasebook_lexicon": "seqvise.corpus.phrasebook.lexicon",
    "seqvise.corpus.phrasebook_nominals": "seqvise.corpus.phrasebook.nominals",
    "seqvise.corpus.phrasebook_rules": "seqvise.corpus.phrasebook.rules",
    "seqvise.corpus.prepare": "seqvise.corpus.parallel.prepare",
    "seqvise.corpus.readers": "seqvise.corpus.parallel.readers",
    "seqvise.corpus.report": "seqvise.corpus.parallel.report",
    "seqvise.corpus.sampling": "seqvise.corpus.tokens.sampling",
    "seqvise.corpus.scripts": "seqvise.corpus.parallel.scripts",
    "seqvise.corpus.segmentation": "seqvise.corpus.tokens.segmentation",
    "seqvise.corpus.split": "seqvise.corpus.parallel.filters",
    "seqvise.corpus.splitting": "seqvise.corpus.parallel.tokenize_parallel",
    "seqvise.corpus.spool": "seqvise.corpus.parallel.spool",
    "seqvise.corpus.store": "seqvise.corpus.parallel.store",
    "seqvise.corpus.subwords": "seqvise.corpus.tokens.sentencepiece",
    "seqvise.corpus.tables": "seqvise.corpus.parallel.tables",
    "seqvise.corpus.tally": "seqvise.corpus.parallel.report",
    "seqvise.corpus.text_options": "seqvise.corpus.documents.options",
    "seqvise.corpus.text_prepare": "seqvise.corpus.documents.prepare",
    "seqvise.corpus.text_store": "seqvise.corpus.documents.store",
    "seqvise.corpus.textfile": "seqvise.corpus.parallel.textfile",
    "seqvise.corpus.tokenizers": "seqvise.corpus.tokens.tokenizers",
    "seqvise.corpus.vocabulary": "seqvise.corpus.tokens.vocabulary",
    "seqvise.csv_table": "seqvise.files",
    "seqvise.datamodules.loading": "seqvise.datamodules.sampler",
    "seqvise.decoding.continuation": "seqvise.decoding.sampling",
    "seqvise.decoding.finished": "seqvise.decoding.hypotheses",
    "seqvise.decoding.forced": "seqvise.decoding.forced_decoding",
    "seqvise.decoding.limits": "seqvise.decoding.constraints",
    "seqvise.decoding.penalties": "seqvise.decoding.constraints",
    "seqvise.decoding.rounding": "seqvise.decoding.quantization",
    "seqvise.decoding.search": "seqvise.decoding.decode",
    "seqvise.decoding.topk": "seqvise.decoding.beam",
    "seqvise.download.redirects": "seqvise.download.transfer",
    "seqvise.download.space": "seqvise.download.sources",
    "seqvise.export.nested": "seqvise.export.parts",
    "seqvise.export.readme": "seqvise.export.folder",
    "seqvise.images.fusing": "seqvise.images.backbones",
    "seqvise.images.pictures_brush": "seqvise.images.synthetic.brush",
    "seqvise.images.pictures_classes": "seqvise.images.synthetic.classes",
    "seqvise.images.pictures_colours": "seqvise.images.synthetic.colours",
    "seqvise.images.pictures_dice": "seqvise.dice",
    "seqvise.images.pictures_network": "seqvise.images.synthetic.network",
    "seqvise.images.pictures_patterns": "seqvise.images.synthetic.patterns",
    "seqvise.images.pictures_scene": "seqvise.images.synthetic.scene",
    "seqvise.images.pictures_set": "seqvise.images.synthetic.scene",
    "seqvise.images.pictures_text": "seqvise.images.synthetic.text",
    "seqvise.images.pictures_things": "seqvise.images.synthetic.objects",
    "seqvise.images.pictures_vectors": "seqvise.images.synthetic.text",
    "seqvise.images.pictures_vehicles": "seqvise.images.synthetic.vehicles",
    "seqvise.images.pictures_weights": "seqvise.images.synthetic.network",
    "seqvise.images.synsets": "seqvise.images.wordnet",
    "seqvise.launching.words": "seqvise.launching.processes",
    "seqvise.metrics.confusion": "seqvise.tasks.classification",
    "seqvise.metrics.tokens": "seqvise.metrics.groups",
    "seqvise.models.activations": "seqvise.models.kernels.cells",
    "seqvise.models.adaptive": "seqvise.models.softmax.adaptive",
    "seqvise.models.attention": "seqvise.models.recurrent.attention",
    "seqvise.models.awd_lstm": "seqvise.models.awd_lstm.model",
    "seqvise.models.batches": "seqvise.models.interface",
    "seqvise.models.cells": "seqvise.models.kernels.cells",
    "seqvise.models.decoder": "seqvise.models.recurrent.decoder",
    "seqvise.models.devise": "seqvise.models.devise.model",
    "seqvise.models.devise_options": "seqvise.models.devise.options",
    "seqvise.models.dropout": "seqvise.models.kernels.dropout",
    "seqvise.models.encoder": "seqvise.models.recurrent.encoder",
    "seqvise.models.generator": "seqvise.models.softmax.generator",
    "seqvise.models.joint": "seqvise.models.recurrent.layers",
    "seqvise.models.language_options": "seqvise.models.awd_lstm.options",
    "seqvise.models.layers": "seqvise.models.recurrent.layers",
    "seqvise.models.lookup": "seqvise.models.recurrent.decoder_inputs",
    "seqvise.models.losses": "seqvise.models.softmax.chunked",
    "seqvise.models.mix": "seqvise.models.recurrent.decoder_inputs",
    "seqvise.models.own_words": "seqvise.models.recurrent.decoder_inputs",
    "seqvise.models.pooling": "seqvise.models.recurrent.encoder",
    "seqvise.models.products": "seqvise.models.kernels.step_linear",
    "seqvise.models.ranking_losses": "seqvise.models.devise.losses",
    "seqvise.models.readout": "seqvise.models.recurrent.decoder_inputs",
    "seqvise.models.recurrent": "seqvise.models.recurrent.model",
    "seqvise.models.sampled": "seqvise.models.softmax.sampled",
    "seqvise.models.scan": "seqvise.models.kernels.scan",
    "seqvise.models.scoring": "seqvise.inference.rescoring",
    "seqvise.models.stages": "seqvise.models.awd_lstm.model",
    "seqvise.models.state": "seqvise.models.recurrent.layers",
    "seqvise.models.text_classifier": "seqvise.models.awd_lstm.classifier",
    "seqvise.models.transformer": "seqvise.models.transformer.model",
    "seqvise.models.transformer_attention": "seqvise.models.transformer.attention",
    "seqvise.models.transformer_decoder": "seqvise.models.transformer.decoder",
    "seqvise.models.transformer_encoder": "seqvise.models.transformer.layers",
    "seqvise.models.transformer_layers": "seqvise.models.transformer.layers",
    "seqvise.models.transformer_options": "seqvise.models.transformer.options",
    "seqvise.models.transformer_positions": "seqvise.models.transformer.positions",
    "seqvise.retrieval.answers": "seqvise.retrieval.results",
    "seqvise.retrieval.build": "seqvise.retrieval.image_index",
    "seqvise.retrieval.collection": "seqvise.retrieval.image_index",
    "seqvise.retrieval.exact": "seqvise.retrieval.indexes.exact",
    "seqvise.retrieval.faiss_graph": "seqvise.retrieval.indexes.faiss",
    "seqvise.retrieval.graph": "seqvise.retrieval.indexes.base",
    "seqvise.retrieval.index": "seqvise.retrieval.indexes.base",
    "seqvise.retrieval.nearest": "seqvise.retrieval.indexes.nearest",
    "seqvise.retrieval.nmslib_graph": "seqvise.retrieval.indexes.nmslib",
    "seqvise.retrieval.page": "seqvise.retrieval.render.page",
    "seqvise.retrieval.recall": "seqvise.retrieval.indexes.recall",
    "seqvise.retrieval.sheet": "seqvise.retrieval.render.sheet",
    "seqvise.retrieval.suspects": "seqvise.retrieval.mislabelled",
    "seqvise.retrieval.table": "seqvise.retrieval.render.page",
    "seqvise.retrieval.thumbnails": "seqvise.retrieval.render.thumbnails",
    "seqvise.retrieval.vectors": "seqvise.retrieval.indexes.nearest",
    "seqvise.runs.best": "seqvise.callbacks.checkpoints",
    "seqvise.runs.checkpoints": "seqvise.training.trainer",
    "seqvise.runs.embedder": "seqvise.inference.embedder",
    "seqvise.runs.encoder": "seqvise.training.pretrained_encoder",
    "seqvise.runs.expansion": "seqvise.inference.vocabulary_expansion",
    "seqvise.runs.failure": "seqvise.errors",
    "seqvise.runs.head": "seqvise.training.pretrained_head",
    "seqvise.runs.label_candidates": "seqvise.inference.label_candidates",
    "seqvise.runs.labeller": "seqvise.inference.classifier",
    "seqvise.runs.pretrained": "seqvise.training.pretrained_seq2seq",
    "seqvise.runs.rescore": "seqvise.inference.rescoring",
    "seqvise.runs.seq2seq": "seqvise.inference.translator",
    "seqvise.runs.trainer": "seqvise.training.trainer",
    "seqvise.runs.translator": "seqvise.inference.translator",
    "seqvise.runs.versions": "seqvise.runs.environment",
    "seqvise.tasks.devise": "seqvise.tasks.image_to_word",
    "seqvise.tasks.forcing": "seqvise.tasks.translation",
    "seqvise.tasks.placed": "seqvise.tasks.samples",
    "seqvise.tasks.precision": "seqvise.tasks.base",
    "seqvise.tasks.totals": "seqvise.tasks.distributed_means",
    "seqvise.tuning.process": "seqvise.tuning.trial",
    "seqvise.vectors.files": "seqvise.vectors.store",
    "seqvise.vectors.manifest": "seqvise.vectors.store",
    "seqvise.vectors.subwords": "seqvise.vectors.words",
}
"""Former module -> module."""

NAMES = {
    "seqvise.callbacks.options.PATIENCE_RULES": "seqvise.schedules.options.PATIENCE_RULES",
    "seqvise.callbacks.options.RATE_SCHEDULES": "seqvise.schedules.options.RATE_SCHEDULES",
    "seqvise.callbacks.options.RampOptions": "seqvise.schedules.options.RampOptions",
    "seqvise.callbacks.options.ScheduleOptions": "seqvise.schedules.options.ScheduleOptions",
    "seqvise.corpus.options.ALGORITHMS": "seqvise.corpus.tokens.options.ALGORITHMS",
    "seqvise.corpus.options.CASES": "seqvise.corpus.tokens.options.CASES",
    "seqvise.corpus.options.DataOptions": "seqvise.corpus.parallel.options.DataOptions",
    "seqvise.corpus.options.MOST_COPIES": "seqvise.corpus.parallel.options.MOST_COPIES",
    "seqvise.corpus.options.QUESTION_PATTERNS": "seqvise.corpus.parallel.options.QUESTION_PATTERNS",
    "seqvise.corpus.options.REVISIONS": "seqvise.corpus.tokens.options.REVISIONS",
    "seqvise.corpus.options.SOURCE_FORMATS": "seqvise.corpus.parallel.options.SOURCE_FORMATS",
    "seqvise.corpus.options.STANDARD_INPUT": "seqvise.corpus.parallel.options.STANDARD_INPUT",
    "seqvise.corpus.options.SideLimits": "seqvise.corpus.parallel.options.SideLimits",
    "seqvise.corpus.options.SideScripts": "seqvise.corpus.parallel.options.SideScripts",
    "seqvise.corpus.options.TOKENIZERS": "seqvise.corpus.tokens.options.TOKENIZERS",
    "seqvise.corpus.options.TokenizerOptions": "seqvise.corpus.tokens.options.TokenizerOptions",
    "seqvise.inference.classifier.Classification": "seqvise.inference.classifier.ClassificationResult",
    "seqvise.inference.translator.load_run": "seqvise.inference.load.load_run",
    "seqvise.inference.translator.Translation": "seqvise.inference.translator.TranslationResult",
    "seqvise.models.options.ATTENTIONS": "seqvise.models.recurrent.options.ATTENTIONS",
    "seqvise.models.options.DropoutOptions": "seqvise.models.recurrent.options.DropoutOptions",
    "seqvise.models.options.PLACES": "seqvise.models.recurrent.options.PLACES",
    "seqvise.models.options.PretrainedOptions": "seqvise.models.recurrent.options.PretrainedOptions",
    "seqvise.models.options.RecurrentOptions": "seqvise.models.recurrent.options.RecurrentOptions",
    "seqvise.models.options.STARTS": "seqvise.models.recurrent.options.STARTS",
    "seqvise.tasks.translation.Translation": "seqvise.tasks.translation.TranslationTask",
}
"""Former path of a class or constant -> path, if its former module still exists or its name has changed."""

EXPERIMENTS = {
    "seed/rnn": "lesson11/rnn",
    "seed/bidirectional": "lesson11/bidirectional",
    "seed/teacher_forcing": "lesson11/teacher_forcing",
    "seed/attention": "lesson11/attention",
    "seed/devise": "lesson11/devise",
    "seed/lm": "lesson10/lm",
    "seed/classifier": "lesson10/classifier",
}
"""Former name of an experiment -> name."""

METRICS = {
    "val/free_loss": "val/loss_free",
    "val/lesson_loss": "val/loss_free_padded",
    "test/free_loss": "test/loss_free",
    "test/lesson_loss": "test/loss_free_padded",
    "attention/entropy": "val/attention_entropy",
    "attention/uniform": "val/attention_entropy_uniform",
    "schedule/lr": "train/lr",
    "schedule/momentum": "train/momentum",
    "schedule/teacher_forcing": "train/teacher_forcing",
}
"""Former name of a metric -> name."""


def current(path: str) -> str:
    """The current path of a module, class or constant; a path that has not moved is returned unchanged."""
    if path in NAMES:
        return current(NAMES[path])
    module, _, name = path.rpartition(".")
    if path in MODULES and not _is_package(path):
        return MODULES[path]
    if module in MODULES and not _is_submodule(path):
        return current(f"{MODULES[module]}.{name}")
    return path


def original(path: str) -> str:
    """A class's path in the first revision: for digests, which must not change when a class moves."""
    former = {new: old for old, new in NAMES.items()}
    if path in former:
        return original(former[path])
    module, _, name = path.rpartition(".")
    modules = {new: old for old, new in reversed(MODULES.items())}
    return f"{modules[module]}.{name}" if module in modules else path


def former_attribute(module: str, name: str) -> object:
    """The ``__getattr__`` of a module whose names have moved to other modules.

    Raises:
        AttributeError: the module never had that name.
    """
    path = f"{module}.{name}"
    new = current(path)
    if new == path:
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    new_module, _, attribute = new.rpartition(".")
    try:
        value: object = getattr(import_module(new_module), attribute)
    except AttributeError:
        raise AttributeError(f"module '{module}' has no attribute '{name}'") from None
    _warn(path, new, stacklevel=4)
    return value


class MovedFinder(MetaPathFinder, Loader):
    """Imports a former module, whose attributes are those of the modules that define them now."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a former module, or of a former package that contains former modules."""
        if fullname in MODULES or _is_package(fullname):
            return ModuleSpec(fullname, self, is_package=_is_package(fullname))
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Warns once, and resolves the module's attributes in the current module."""
        name = module.__name__
        if name not in MODULES:
            return
        _warn(name, MODULES[name])
        present = import_module(MODULES[name])

        def attribute(key: str) -> object:
            if key.startswith("__"):
                raise AttributeError(key)
            new = current(f"{name}.{key}")
            return getattr(import_module(new.rpartition(".")[0]), new.rpartition(".")[2])

        vars(module).update({"__getattr__": attribute, "__doc__": present.__doc__})


def install() -> None:
    """Appends ``MovedFinder`` to Python's finders, after all others."""
    if not any(isinstance(finder, MovedFinder) for finder in sys.meta_path):
        sys.meta_path.append(MovedFinder())


def _is_package(path: str) -> bool:
    """Whether a path is a former package that contains former modules."""
    return any(old.startswith(f"{path}.") for old in MODULES)


def _is_submodule(path: str) -> bool:
    """Whether a path is a current module inside a former one, such as ``seqvise.models.devise.losses``."""
    return any(new == path or new.startswith(f"{path}.") for new in MODULES.values())


def _warn(old: str, new: str, stacklevel: int = 3) -> None:
    warnings.warn(f"{old} is now {new}; the former name will be removed.", DeprecationWarning, stacklevel=stacklevel)


def current_override(word: str) -> str:
    """An override with the present names of experiments and metrics.

    For example, ``experiment=seed/rnn`` is ``experiment=lesson11/rnn``.
    """
    key, sign, value = word.partition("=")
    names = EXPERIMENTS if key.lstrip("+") == "experiment" else METRICS
    return key + sign + ",".join(names.get(name.strip(), name) for name in value.split(","))


def current_overrides(overrides: Sequence[str]) -> list[str]:
    """The overrides with present names. Logs one line for each with a former name."""
    for override in overrides:
        if (new := current_override(override)) != override:
            log.warning("%s is now %s; the former name will be removed.", override, new)
    return [current_override(override) for override in overrides]


def current_metric(name: str) -> str:
    """The present name of a metric."""
    return METRICS.get(name, name)


def metric_names(name: str) -> tuple[str, ...]:
    """A metric's former names and its present name, oldest first."""
    return (*(former for former, new in METRICS.items() if new == name), name)


def current_metrics(values: Mapping[str, T]) -> dict[str, T]:
    """Values of metrics by their present names."""
    return {current_metric(name): value for name, value in values.items()}


def current_state_key(key: str) -> str:
    """A callback's key in a checkpoint: Lightning builds it from the class and the quoted name of the metric."""
    for former, name in METRICS.items():
        key = key.replace(repr(former), repr(name))
    return key
