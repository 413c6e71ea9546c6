"""Types of the config: which dataclass stands behind each node, with Hydra and without."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from seqvise.config.distributed_env import run_time
from seqvise.config.formats import TRUST, escaped
from seqvise.config.keys import ARGUMENTS, UnknownKey, further_keys, unknown_keys
from seqvise.config.options import Config, TrainerOptions
from seqvise.config.registry import OURS, TARGET, dotted, find_class, path_problems, update_paths
from seqvise.config.search_path import own_folder
from seqvise.corpus.documents.options import LABELS, STREAM, LabelOptions, StreamOptions
from seqvise.corpus.parallel.options import DataOptions
from seqvise.errors import UserError
from seqvise.images.options import ImageOptions
from seqvise.models.awd_lstm.options import ClassifierOptions, LanguageModelOptions
from seqvise.models.devise.options import DeviseOptions
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.models.transformer.options import TransformerOptions
from seqvise.tasks.options import OptimizerOptions
from seqvise.tuning.options import TuneConfig

log = logging.getLogger(__name__)
MODEL_OPTIONS: dict[str, type] = {
    "seqvise.models.recurrent.model.Recurrent": RecurrentOptions,
    "seqvise.models.transformer.model.Transformer": TransformerOptions,
    "seqvise.models.devise.model.Devise": DeviseOptions,
    "seqvise.models.awd_lstm.model.AwdLstm": LanguageModelOptions,
    "seqvise.models.awd_lstm.classifier.TextClassifier": ClassifierOptions,
}
DATA_OPTIONS: dict[str, type] = {
    "parallel": DataOptions,
    "images": ImageOptions,
    STREAM: StreamOptions,
    LABELS: LabelOptions,
}
"""For each `data.kind` the type of the `data` node."""
FREE_NODES: dict[str, type] = {"optimizer": OptimizerOptions, "trainer": TrainerOptions}
"""Nodes whose further keys are arguments of torch's optimizer and of Lightning's Trainer."""
OPTION_FILES: dict[str, type] = {
    "recurrent": RecurrentOptions,
    "transformer": TransformerOptions,
    "devise": DeviseOptions,
    "awd_lstm": LanguageModelOptions,
    "text_classifier": ClassifierOptions,
    **DATA_OPTIONS,
}
"""The types that files of the `data` and `model` groups begin with, by their name in the `options` group."""
TOLD = "_seqvise_types"
"""The attribute of Hydra's store that says whether it holds the types (true) or default values alone (false)."""


def register(typed: bool = True) -> None:
    """Tells Hydra the types of the config and the resolvers that its files use. Harmless when repeated.

    Args:
        typed: false tells it the default values alone, so that config files may have any key.
    """
    _store_nodes(typed)
    _resolve_as("run_name", _run_name)
    _resolve_as("run_dir", _run_dir)
    _resolve_as("hydra_folder", _hydra_folder)
    _resolve_as("own_conf", _own_conf)
    # Hydra takes the cache over from the sweep to its jobs, which then agree on the sweep's folder.
    OmegaConf.register_new_resolver("run_time", run_time, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("sweep_name", _sweep_name, replace=True, use_cache=True)


def _store_nodes(typed: bool) -> None:
    """Tells Hydra the types, unless its store has them: a command composes its config several times."""
    store = ConfigStore.instance()
    if getattr(store, TOLD, None) is typed:
        return
    nodes: dict[str, Any] = {"schema": _schema(), "tune_schema": TuneConfig, **OPTION_FILES}
    for name, node in nodes.items():
        group = "options" if name in OPTION_FILES else None
        plain = OmegaConf.to_container(OmegaConf.structured(node)) if not typed else node
        store.store(group=group, name=name, node=plain)
    setattr(store, TOLD, typed)


@cache
def _schema() -> DictConfig:
    """The root, whose free nodes take further keys."""
    schema = OmegaConf.structured(Config)
    for name, options in FREE_NODES.items():
        schema[name] = options()
        OmegaConf.set_struct(schema[name], False)
        del schema[name][ARGUMENTS]
    return cast(DictConfig, schema)


def typed(cfg: DictConfig) -> Config:
    """The config as dataclasses, interpolations resolved. It may come from Hydra or from a run's plain config.yaml.

    The data node becomes the dataclass of its kind, the model's that of its class where one is known, else it stays a
    plain dictionary.

    Raises:
        UserError: a key is set that nothing reads, a class is named that must not be imported, or the model's node
            names none that can be.
    """
    content = cast(dict[str, Any], OmegaConf.to_container(cfg))
    update_paths(content)
    if problems := path_problems(content):
        raise UserError(*problems)
    if problems := [unknown.sentence() for unknown in unknown_in(content)]:
        raise UserError(*problems)
    merged = cast(DictConfig, OmegaConf.merge(OmegaConf.structured(Config), _with_arguments(content)))
    data = _typed_data(merged)  # before the others: of a config of another shape, it says more than what is missing
    config = cast(Config, OmegaConf.to_object(merged))
    config.data = data
    if isinstance(config.model, dict):
        config.model = _typed_model(config.model)
    return config


def content(config: Config) -> dict[str, Any]:
    """Every choice as plain dictionaries, lists and values; ``typed`` of it is the config again, without its trust."""
    found = asdict(config)
    del found[TRUST]
    for name in FREE_NODES:
        found[name] |= found[name].pop(ARGUMENTS)
    return found


def unknown_in(content: Mapping[str, Any]) -> Iterator[UnknownKey]:
    """The keys of a whole config that nothing reads. content: as plain dictionaries, its class paths checked."""
    data, model = content.get("data"), content.get("model")
    nodes: dict[str, type] = {}
    if isinstance(data, Mapping) and (kind := data.get("kind", "parallel")) in DATA_OPTIONS:
        nodes["data"] = DATA_OPTIONS[kind]
    if isinstance(model, Mapping) and model.get(TARGET):
        with suppress(UserError):  # of a class that is not there is told elsewhere
            if options := _model_options(str(model[TARGET])):
                nodes["model"] = options
    return unknown_keys(content, Config, nodes)


def without_unknown(saved: DictConfig, file: Path) -> DictConfig:
    """The config of a run without the keys that nothing reads, which another revision may have written.

    Args:
        saved: what ``load_config`` has read; it is changed.
        file: where it was read, for the line that is logged.
    """
    found = list(unknown_in(cast(dict[str, Any], OmegaConf.to_container(saved))))
    for unknown in found:
        node: Any = saved
        for name in unknown.key[:-1]:
            node = node[name]
        del node[unknown.key[-1]]
    if found:
        keys = ", ".join(".".join(unknown.key) for unknown in found)
        log.warning("%s: this version of seqvise does not know these keys and ignores them: %s.", file, keys)
    return saved


def _with_arguments(content: dict[str, Any]) -> dict[str, Any]:
    """The config with the further keys of its free nodes as their ``arguments``."""
    for name, options in FREE_NODES.items():
        if isinstance(node := content.get(name), dict):
            further = further_keys(node, options)
            content[name] = {key: value for key, value in node.items() if key not in further} | {ARGUMENTS: further}
    return content


def _typed_data(cfg: DictConfig) -> object:
    node = cast(dict[str, Any], OmegaConf.to_container(cfg.data, resolve=True))
    kind = node.get("kind", "parallel")
    if kind not in DATA_OPTIONS:
        raise UserError(f"data.kind is '{kind}', but must be one of {', '.join(DATA_OPTIONS)}.")
    return _as_options(DATA_OPTIONS[kind], node)


def _typed_model(node: dict[str, Any]) -> object:
    if not node.get("_target_"):
        raise UserError("model._target_ is not set: give the class of the model.")
    options = _model_options(str(node["_target_"]))
    if options is None:
        return node
    return _as_options(options, node)


def _as_options(options: type, node: dict[str, Any]) -> object:
    # What was resolved once is not resolved again.
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(options), escaped(node)))


def _model_options(target: str) -> type | None:
    """The options of a class by its dotted path: its ``options_type``, or of a shipped class that it extends."""
    if target in MODEL_OPTIONS:
        return MODEL_OPTIONS[target]
    model = find_class("model._target_", target)
    named = (MODEL_OPTIONS.get(dotted(base)) for base in model.__mro__)
    options = cast(type | None, getattr(model, "options_type", None) or next(filter(None, named), None))
    if options is None and target.partition(".")[0] in OURS:
        raise UserError(f"model._target_ is '{target}', which is no model but a part of one: it has no options_type.")
    return options


def _resolve_as(name: str, function: Callable[..., str | None]) -> None:
    OmegaConf.register_new_resolver(name, function, replace=True)


def _run_name(experiment: str | None, model: str | None) -> str:
    return experiment or model or "run"


def _run_dir(resume: str | None, new: str) -> str:
    """The folder of the run that is resumed, or a new one."""
    return new if resume in (None, "auto") else str(Path(resume).expanduser())


def _hydra_folder(run: str) -> str | None:
    """Folder, in that of a run, of what Hydra keeps. A run that is resumed keeps what it began with."""
    return None if (Path(run) / "config.yaml").is_file() else ".hydra"


def _sweep_name(experiment: str | None, model: str | None) -> str:
    """``models`` or ``experiments`` for a sweep over them, else the one that all jobs have."""
    for group in ("experiment", "model"):
        if any(word.startswith(f"{group}=") and "," in word for word in sys.argv):
            return f"{group}s"
    return _run_name(experiment, model)


def _own_conf() -> str:
    """The search path of a person's own ./conf; an empty package of ours where there is none."""
    folder = own_folder()
    return f"file://{folder}" if folder else "pkg://seqvise.config"


Scalar = bool | int | float | str | None
NODES = ("data", "tokenizer", "vectors", "model", "loss", "optimizer", "schedule")


def hyperparameters(config: Config) -> dict[str, Scalar]:
    """Full names and plain values, for TensorBoard's HPARAMS tab and for checkpoints, which load without running code.

    Folders and file names stay out: two runs on the same text are to look the same wherever it lies.
    """
    every = content(config)
    chosen = {name: every[name] for name in NODES}
    chosen["data"] = {name: value for name, value in chosen["data"].items() if name != "root"}
    flat = {"seed": config.seed, "trainer.max_epochs": config.trainer.max_epochs}
    return flat | dict(_flatten(chosen, ""))


def _flatten(node: dict[str, Any], prefix: str) -> Iterator[tuple[str, Scalar]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, Scalar) else str(value)
