"""All errors of a config, reported at once and before anything is built."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqvise.classes import TARGET, find_class, find_function
from seqvise.config.arguments import further_arguments, node_arguments
from seqvise.config.hydra_errors import one_line
from seqvise.config.keys import nearest
from seqvise.config.options import Config
from seqvise.config.registry import CALLBACK, LOGGER, MODULE, OPTIMIZER, STRATEGY, TASK
from seqvise.config.schema import MODEL_OPTIONS, typed
from seqvise.corpus.documents.options import LABELS, STREAM, TextOptions
from seqvise.corpus.parallel.options import STANDARD_INPUT
from seqvise.download.catalogue import CORPORA
from seqvise.errors import UserError
from seqvise.models.awd_lstm.options import ClassifierOptions, EncoderOptions, LanguageModelOptions
from seqvise.models.options import ForcingOptions
from seqvise.options import option, option_errors
from seqvise.tasks.options import (
    CLASSIFICATION_METRICS,
    LANGUAGE_METRICS,
    TRANSLATION_METRICS,
    main_metric,
    metric_names,
)

MODELS: dict[str, tuple[str, type[EncoderOptions], str]] = {
    STREAM: ("model=awd_lstm", LanguageModelOptions, "data=text_lines"),
    LABELS: ("model=text_classifier", ClassifierOptions, "data=text_labels"),
}
"""For each kind of documents: the override that chooses its model, the model's options, and that of the data."""


def _text(config: Config) -> Iterator[str]:
    yield from _model_and_data(config)
    if not isinstance(config.data, TextOptions):
        return
    if config.vectors.name != "none":
        yield f"vectors={config.vectors.name}, but model.encoder initialises models of documents: choose vectors=none."
    if config.tokenizer.sampling is not None:
        yield "tokenizer.sampling applies to translation only: set it to null."
    if config.loss.label_smoothing and option(config.model, "adaptive"):
        yield (
            f"loss.label_smoothing is {config.loss.label_smoothing:g}, but reads all words, which model.adaptive "
            "avoids: set loss.label_smoothing=0 or model.adaptive=null."
        )
    if config.loss.sampled and option(config.model, "adaptive"):
        yield "loss.sampled and model.adaptive are alternatives for a large vocabulary: set one of them to null."
    if config.loss.sampled and isinstance(config.model, ClassifierOptions):
        yield "loss.sampled samples words, but a classifier predicts labels: set it to null."
    if config.loss.count_padding:
        yield "loss.count_padding is true, but documents in a stream have no padding: set it to false."


def _model_and_data(config: Config) -> Iterator[str]:
    kind = option(config.data, "kind") or "parallel"
    for model_kind, (choice, options, data) in MODELS.items():
        is_data, is_model = kind == model_kind, isinstance(config.model, options)
        if is_model and not is_data:
            yield f"{choice} does not read data.kind={kind}: choose {data}, or another model."
        target = option(config.model, "_target_") or ""
        if is_data and not is_model and target in MODEL_OPTIONS:
            yield f"data.kind is {kind}, which {target} does not read: choose {choice}."


_IMAGES = ("", "held_out/", "seen_among_all/", "held_out_among_all/")
METRICS: dict[str, tuple[str, ...]] = {
    "seqvise.tasks.translation.TranslationTask": ("train/loss", *(f"val/{name}" for name in TRANSLATION_METRICS)),
    "seqvise.tasks.image_to_word.ImageToWord": (
        "train/loss",
        "val/loss",
        *(f"val/{images}hit@{k}" for images in _IMAGES for k in (1, 2, 5, 10, 20)),
        *(f"val/{images}hp@{k}" for images in _IMAGES for k in (2, 5, 10, 20)),
        *(f"val/{images}{name}_map" for images in _IMAGES for name in ("text_to_image", "image_to_label")),
    ),
    "seqvise.tasks.language_model.LanguageModel": ("train/loss", *(f"val/{name}" for name in LANGUAGE_METRICS)),
    "seqvise.tasks.classification.Classification": (
        "train/loss",
        *(f"val/{name}" for name in CLASSIFICATION_METRICS),
    ),
}
"""For each shipped task the metrics that may be monitored, beside those of `metrics`."""

METRICS_SHOWN = 10
"""Names that an error lists."""
DEVISE = "seqvise.models.devise.model.Devise"
SHIPPED = (
    *METRICS,
    *MODEL_OPTIONS,
    "pytorch_lightning.loggers.TensorBoardLogger",
    "pytorch_lightning.loggers.CSVLogger",
)


def validate(cfg: DictConfig) -> list[str]:
    """Returns a sentence for each invalid value and each invalid combination of values; none for a valid config."""
    return _errors(cfg, _combinations)


def validate_data(cfg: DictConfig) -> list[str]:
    """As ``validate``, without the combinations that only matter for training."""
    return _errors(cfg, _packages)


def _errors(cfg: DictConfig, combinations: Callable[[Config], Iterator[str]]) -> list[str]:
    missing = [f"{key} is not set: set it with {key}=..." for key in sorted(OmegaConf.missing_keys(cfg))]
    if missing:
        return missing
    further = [sentence for _, sentence in further_arguments(cast(dict[str, Any], OmegaConf.to_container(cfg)))]
    try:
        config = typed(cfg)
    except OmegaConfBaseException as error:
        return [*further, one_line(error)]
    except UserError as error:
        return [*error.messages, *further]
    return [*option_errors(config), *further, *_download(config), *combinations(config)]


def _download(config: Config) -> Iterator[str]:
    data = config.data
    if option(data, "download") and data.name not in CORPORA:
        yield (
            f"data.download is true, but no address is known for data.name={data.name}, only for "
            f"{', '.join(sorted(CORPORA))}: put the files there yourself, or choose one of these."
        )


def _combinations(config: Config) -> Iterator[str]:
    yield from _forcing(config)
    yield from _cycle(config)
    yield from _monitor(config)
    yield from _metrics(config)
    yield from _vectors(config)
    yield from _images(config)
    yield from _text(config)
    yield from _shared_embeddings(config)
    yield from _rare_words(config)
    yield from _standard_input(config)
    yield from _packages(config)
    yield from _classes(config)
    yield from node_arguments(config)


def _forcing(config: Config) -> Iterator[str]:
    forcing = option(config.model, "teacher_forcing")
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
    if cycle is not None and 0 < epochs < cycle:
        yield (
            f"schedule.cycle_epochs is {cycle:g}, longer than training (trainer.max_epochs={epochs}): "
            "lower it, raise trainer.max_epochs, or set it to null for all of training."
        )


def _standard_input(config: Config) -> Iterator[str]:
    single_process = config.trainer.devices in (1, "1") and config.trainer.num_nodes == 1
    if option(config.data, "train") == STANDARD_INPUT and not single_process:
        yield (
            f"data.train is '-', standard input, which only one process can read, but trainer.devices is "
            f"{config.trainer.devices}: write the text to a file first."
        )


def _monitor(config: Config) -> Iterator[str]:
    task, metric = str(option(config.model, "task")), config.monitor.metric
    known = METRICS.get(task)
    known = known and (*known, *(f"val/{name}" for name in metric_names(config.metrics)))
    if known and metric not in known:
        if metric != main_metric(str(option(config.data, "kind"))):  # a model that does not fit the data is reported
            names = ", ".join(known[:METRICS_SHOWN]) + (", ..." if len(known) > METRICS_SHOWN else "")
            yield f"monitor.metric is '{metric}', which is never logged{nearest(metric, known)} Logged: {names}."
    elif metric.startswith("val/") and not config.trainer.fast_dev_run:
        yield from _never_validated(config)


def _metrics(config: Config) -> Iterator[str]:
    """Imports the user's metrics, and checks that the task calls them and logs no other metric of their name."""
    task = str(option(config.model, "task"))
    repeats = Counter(f"val/{name}" for name in metric_names(config.metrics))
    for index, path in enumerate(config.metrics):
        name = f"val/{path.rpartition('.')[2]}"
        if name in METRICS.get(task, ()):
            yield f"metrics.{index} is '{path}', but {name} is already logged: give the function another name."
        elif repeats[name] > 1:
            yield f"metrics.{index} is '{path}', but {repeats[name]} entries log {name}: each needs a name of its own."
        try:
            find_function(f"metrics.{index}", path)
        except UserError as error:
            yield from error.messages
    with suppress(UserError):  # a missing class is reported by _classes
        if config.metrics and not getattr(find_class("model.task", task, TASK), "has_outputs", False):
            yield (
                f"metrics is {config.metrics}, but {task} has no outputs to compare with references: set metrics=[], "
                "or log the metric in a task of your own."
            )


def _never_validated(config: Config) -> Iterator[str]:
    trainer, metric = config.trainer, config.monitor.metric
    if trainer.limit_val_batches == 0:
        yield (
            f"trainer.limit_val_batches is 0, so monitor.metric={metric} is never logged: raise it, or set "
            "monitor.metric=train/loss and monitor.mode=min."
        )
    every, interval = trainer.check_val_every_n_epoch, trainer.val_check_interval
    if every is None and isinstance(interval, int):
        steps = math.ceil(interval / trainer.accumulate_grad_batches)
        if 0 < trainer.max_steps < steps:
            yield (
                f"trainer.val_check_interval is {interval} (batches), longer than training (trainer.max_steps="
                f"{trainer.max_steps}), so monitor.metric={metric} is never logged: lower it."
            )
    if every is not None and 0 < trainer.max_epochs < every:
        yield (
            f"trainer.check_val_every_n_epoch is {trainer.check_val_every_n_epoch}, longer than training "
            f"(trainer.max_epochs={trainer.max_epochs}), so monitor.metric={metric} is never logged: lower it."
        )


def _vectors(config: Config) -> Iterator[str]:
    width = option(config.model, "embedding")
    if config.vectors.name != "none" and isinstance(width, int) and config.vectors.dim != width:
        yield f"vectors.dim is {config.vectors.dim} and model.embedding is {width}, but they must be equal."


def _images(config: Config) -> Iterator[str]:
    data, vectors = config.data, config.vectors
    kind, target = option(data, "kind"), str(option(config.model, "_target_"))
    if target != DEVISE:
        if kind == "images" and target in MODEL_OPTIONS:
            yield f"data.kind is images, but {target} reads text: choose model=devise."
        return
    if kind != "images":
        yield f"model=devise needs images, but data.kind is {kind}: choose data=image_folder or data=imagenet."
        return
    synthetic = data.layout == "pictures" and vectors.name == "trained"
    if not synthetic and (vectors.name != "fasttext" or vectors.target is None):
        yield (
            "Images need word vectors of their labels: set vectors=fasttext and vectors.target=FILE, where FILE ends "
            "in .bin, .vec, .vec.gz or .npz."
        )
    if option(config.model, "prior") and data.wordnet is None:
        yield "model.prior needs the words of the backbone's classes: set data.wordnet, or model.prior=0."


def _rare_words(config: Config) -> Iterator[str]:
    if option(config.data, "rare_as_unknown") is not None and config.tokenizer.sampling is not None:
        yield (
            "data.rare_as_unknown is for words, and tokenizer.sampling samples subwords, of which none is unknown: "
            "set one of them to null."
        )


def _shared_embeddings(config: Config) -> Iterator[str]:
    if option(config.model, "share_embeddings") and not config.tokenizer.shared:
        yield (
            "model.share_embeddings is true, but tokenizer.shared is false: "
            "set tokenizer.shared=true, or model.share_embeddings=false."
        )


def _packages(config: Config) -> Iterator[str]:
    if option(config.data, "kind") == "images" and find_spec("torchvision") is None:
        yield "data.kind=images needs torchvision: pip install 'seqvise[images]'."
    paths = (config.vectors.source or "", config.vectors.target or "")
    binary = config.vectors.name == "fasttext" and any(path.endswith(".bin") for path in paths)
    if config.tokenizer.name == "spacy" and find_spec("spacy") is None:
        yield "tokenizer=spacy needs spaCy: pip install 'seqvise[spacy]', or choose tokenizer=words."
    if option(config.data, "format") == "parquet" and find_spec("pyarrow") is None:
        yield "data.format=parquet needs pyarrow: pip install 'seqvise[parquet]'."
    if config.tokenizer.name == "sentencepiece" and find_spec("sentencepiece") is None:
        yield (
            "tokenizer=sentencepiece needs SentencePiece: pip install 'seqvise[sentencepiece]', "
            "or choose tokenizer=words."
        )
    if (binary or config.vectors.name == "trained") and find_spec("fasttext") is None:
        yield (
            f"vectors={config.vectors.name} needs fastText: pip install 'seqvise[fasttext]', "
            "or choose vectors=none, or vectors in a .vec file."
        )


def _classes(config: Config) -> Iterator[str]:
    """Imports the user's own classes; the shipped classes exist, and importing them takes seconds."""
    named = [
        ("model._target_", option(config.model, "_target_"), MODULE),
        ("model.task", option(config.model, "task"), TASK),
        ("optimizer.name", config.optimizer.name, OPTIMIZER.kind),
        ("schedule.name", config.schedule.name, ""),
    ]
    for key, node, kind in (("logger", config.logger, LOGGER), ("trainer.strategy", config.trainer.strategy, STRATEGY)):
        if isinstance(node, Mapping):
            named.append((f"{key}.{TARGET}", node.get(TARGET), kind))
        elif node is not None and (key == "logger" or not isinstance(node, str)):
            yield f"{key} is {node}, but must be a node with {TARGET}, the dotted path of a class."
    for name, node in config.callbacks.extra.items():
        # CallbackOptions reports a node without a class, or with a name without a module.
        named.append((f"callbacks.extra.{name}._target_", option(node, "_target_") or "", CALLBACK))
    for key, path, kind in named:
        if path is None:
            yield f"{key} is not set: set it to the dotted path of a class."
        elif "." in str(path) and path not in SHIPPED:
            yield from _class_errors(key, str(path), kind)


def _class_errors(key: str, path: str, kind: str) -> Iterator[str]:
    try:
        find_class(key, path, kind)
    except UserError as error:
        yield from error.messages
