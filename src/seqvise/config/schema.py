"""Types of the config: the dataclass of each node, for Hydra and for the config of a run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from seqvise.classes import TARGET, dotted, find_class
from seqvise.config.distributed_env import run_time
from seqvise.config.formats import TRUST, escaped
from seqvise.config.keys import ARGUMENTS, UnknownKey, flatten, further_keys, unknown_keys
from seqvise.config.options import Config, TrainerOptions
from seqvise.config.overrides import split_override
from seqvise.config.registry import OURS, path_errors, update_names
from seqvise.config.search_path import own_folder
from seqvise.corpus.documents.options import LABELS, STREAM, LabelOptions, StreamOptions
from seqvise.corpus.parallel.options import DataOptions
from seqvise.errors import UserError
from seqvise.images.options import ImageOptions
from seqvise.models.awd_lstm.options import ClassifierOptions, LanguageModelOptions
from seqvise.models.devise.options import DeviseOptions
from seqvise.models.recurrent.options import RecurrentOptions
from seqvise.models.transformer.options import TransformerOptions
from seqvise.tasks.options import OptimizerOptions, is_smaller_better, main_metric
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
"""The type of the `data` node for each `data.kind`."""
FREE_NODES: dict[str, type] = {"optimizer": OptimizerOptions, "trainer": TrainerOptions}
"""Nodes whose further keys are arguments of torch's optimizer or of Lightning's Trainer."""
OPTION_FILES: dict[str, type] = {
    "recurrent": RecurrentOptions,
    "transformer": TransformerOptions,
    "devise": DeviseOptions,
    "awd_lstm": LanguageModelOptions,
    "text_classifier": ClassifierOptions,
    **DATA_OPTIONS,
}
"""Types of nodes by their name in the `options` group, which files of the `data` and `model` groups begin with."""
TYPED = "_seqvise_types"
"""An attribute of Hydra's store: whether it holds the types (true) or only default values (false)."""
OTHER_KIND = 3
"""So many unknown keys of `data` are not misspelt, but belong to another `data.kind`."""


def register(typed: bool = True) -> None:
    """Registers the types of the config and the resolvers of its files with Hydra. May be repeated.

    Args:
        typed: false registers only the default values, so that config files may have any key.
    """
    _store_nodes(typed)
    _resolve_as("run_name", _run_name)
    _resolve_as("run_dir", _run_dir)
    _resolve_as("hydra_folder", _hydra_folder)
    _resolve_as("own_conf", _own_conf)
    _resolve_as("main_metric", main_metric)
    _resolve_as("better", lambda metric: "min" if is_smaller_better(metric) else "max")
    # Hydra copies the cache from the sweep to its jobs, so that they agree on the sweep's folder.
    OmegaConf.register_new_resolver("run_time", run_time, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("sweep_name", _sweep_name, replace=True, use_cache=True)


def _store_nodes(typed: bool) -> None:
    """Stores the types, unless Hydra's store has them: a command composes its config several times."""
    store = ConfigStore.instance()
    if getattr(store, TYPED, None) is typed:
        return
    nodes: dict[str, Any] = {"schema": _schema(), "tune_schema": TuneConfig, **OPTION_FILES}
    for name, node in nodes.items():
        group = "options" if name in OPTION_FILES else None
        plain = OmegaConf.to_container(OmegaConf.structured(node)) if not typed else node
        store.store(group=group, name=name, node=plain)
    setattr(store, TYPED, typed)


@cache
def _schema() -> DictConfig:
    """The type of the root, whose free nodes take further keys."""
    schema = OmegaConf.structured(Config)
    for name, options in FREE_NODES.items():
        schema[name] = options()
        OmegaConf.set_struct(schema[name], False)
        del schema[name][ARGUMENTS]
    return cast(DictConfig, schema)


def typed(cfg: DictConfig) -> Config:
    """Converts a config, from Hydra or from the ``config.yaml`` of a run, to dataclasses; resolves interpolations.

    The data node becomes the dataclass of its kind, and the model node that of its class; it stays a plain dictionary
    if the class has no options.

    Raises:
        UserError: a key does not exist, a class must not be imported, or the model has no class that can be imported.
    """
    content = cast(dict[str, Any], OmegaConf.to_container(cfg))
    update_names(content, warn=True)
    if errors := path_errors(content) or list(_unknown_errors(content)):
        raise UserError(*errors)
    merged = cast(DictConfig, OmegaConf.merge(OmegaConf.structured(Config), _with_arguments(content)))
    data = _typed_data(merged)  # first: its error is more helpful than one about a missing value
    config = cast(Config, OmegaConf.to_object(merged))
    config.data = data
    if isinstance(config.model, dict):
        config.model = _typed_model(config.model)
    return config


def content(config: Config) -> dict[str, Any]:
    """The config as plain dictionaries, lists and values, without ``trust``: the inverse of ``typed``."""
    plain = asdict(config)
    del plain[TRUST]
    for name in FREE_NODES:
        plain[name] |= plain[name].pop(ARGUMENTS)
    return plain


def unknown_in(content: Mapping[str, Any]) -> Iterator[UnknownKey]:
    """Yields the unknown keys of a whole config. content: plain dictionaries with checked class paths."""
    data, model = content.get("data"), content.get("model")
    nodes: dict[str, type] = {}
    if isinstance(data, Mapping):
        with suppress(UserError):  # an unknown kind is reported by typed
            nodes["data"] = _data_options(str(data.get("kind", "parallel")))
    if isinstance(model, Mapping) and model.get(TARGET):
        with suppress(UserError):  # a missing class is reported by validate
            if options := _model_options(str(model[TARGET])):
                nodes["model"] = options
    return unknown_keys(content, Config, nodes)


def _unknown_errors(content: Mapping[str, Any]) -> Iterator[str]:
    unknown = list(unknown_in(content))
    yield from (key.sentence() for key in unknown)
    if sum(key.key[0] == "data" for key in unknown) >= OTHER_KIND:
        yield (
            f"data.kind is '{content['data'].get('kind')}', but these keys of data belong to another kind: choose a "
            "config file of that kind with data=NAME instead of changing data.kind."
        )


def without_unknown(saved: DictConfig, file: Path) -> DictConfig:
    """Removes unknown keys, which another revision may have written, from the config of a run.

    Args:
        saved: the result of ``load_config``; it is changed.
        file: its file, for the log.
    """
    ignored = list(unknown_in(cast(dict[str, Any], OmegaConf.to_container(saved))))
    for unknown in ignored:
        node: Any = saved
        for name in unknown.key[:-1]:
            node = node[name]
        del node[unknown.key[-1]]
    if ignored:
        keys = ", ".join(".".join(unknown.key) for unknown in ignored)
        log.warning("%s: this version of seqvise does not know these keys and ignores them: %s.", file, keys)
    return saved


def _with_arguments(content: dict[str, Any]) -> dict[str, Any]:
    """Moves the further keys of the free nodes to their ``arguments``."""
    for name, options in FREE_NODES.items():
        if isinstance(node := content.get(name), dict):
            further = further_keys(node, options)
            content[name] = {key: value for key, value in node.items() if key not in further} | {ARGUMENTS: further}
    return content


def _typed_data(cfg: DictConfig) -> object:
    node = cast(dict[str, Any], OmegaConf.to_container(cfg.data, resolve=True))
    kind = node.get("kind", "parallel")
    return _as_options(_data_options(kind), node)


def _data_options(kind: str) -> type:
    """The options of a kind of data: of seqvise, or of the user's class that ``kind`` names."""
    if kind in DATA_OPTIONS:
        return DATA_OPTIONS[kind]
    if "." not in kind:
        raise UserError(
            f"data.kind is '{kind}', but must be one of {', '.join(DATA_OPTIONS)}, or the dotted path of a class of "
            "your own."
        )
    data_class = find_class("data.kind", kind)
    options = getattr(data_class, "options_type", None)
    if not is_dataclass(options) or not callable(getattr(data_class, "build", None)):
        raise UserError(
            f"data.kind is '{kind}', but that class has no options_type, a dataclass, or no build(config, seed)."
        )
    return cast(type, options)


def _typed_model(node: dict[str, Any]) -> object:
    if not node.get("_target_"):
        raise UserError("model._target_ is not set: set it to the class of the model.")
    options = _model_options(str(node["_target_"]))
    if options is None:
        return node
    return _as_options(options, node)


def _as_options(options: type, node: dict[str, Any]) -> object:
    # Resolved values are escaped, so that they are not resolved again.
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(options), escaped(node)))


def _model_options(target: str) -> type | None:
    """The options of a class: its ``options_type``, or those of a shipped class that it extends."""
    if target in MODEL_OPTIONS:
        return MODEL_OPTIONS[target]
    model = find_class("model._target_", target)
    shipped = (MODEL_OPTIONS.get(dotted(base)) for base in model.__mro__)
    options = cast(type | None, getattr(model, "options_type", None) or next(filter(None, shipped), None))
    if options is None and target.partition(".")[0] in OURS:
        raise UserError(
            f"model._target_ is '{target}', which is a part of a model: set it to a class with options_type."
        )
    return options


def _resolve_as(name: str, function: Callable[..., str | None]) -> None:
    OmegaConf.register_new_resolver(name, function, replace=True)


def _run_name(experiment: str | None, model: str | None) -> str:
    return experiment or model or "run"


def _run_dir(resume: str | None, new: str) -> str:
    """The directory of the resumed run, or of a new one."""
    return new if resume in (None, "auto") else str(Path(resume).expanduser())


def _hydra_folder(run: str) -> str | None:
    """Hydra's folder in the run directory; None for a resumed run, which keeps its folder."""
    return None if (Path(run) / "config.yaml").is_file() else ".hydra"


def _sweep_name(experiment: str | None, model: str | None) -> str:
    """``models`` or ``experiments`` for a sweep over them, else the name of a run."""
    for group in ("experiment", "model"):
        if any(parts.target == group and "," in parts.value for parts in map(split_override, sys.argv)):
            return f"{group}s"
    return _run_name(experiment, model)


def _own_conf() -> str:
    """The search path of the user's own ./conf, or an empty package if there is none."""
    folder = own_folder()
    return f"file://{folder}" if folder else "pkg://seqvise.config"


Scalar = bool | int | float | str | None
NODES = ("data", "tokenizer", "vectors", "model", "loss", "optimizer", "schedule")


def hyperparameters(config: Config) -> dict[str, Scalar]:
    """Hyperparameters by their full names, as plain values that a checkpoint loads without running code.

    The folder of the data is left out, so that runs on the same text have the same hyperparameters everywhere.
    """
    plain = content(config)
    chosen = {name: plain[name] for name in NODES}
    chosen["data"] = {name: value for name, value in chosen["data"].items() if name != "root"}
    root: dict[str, Scalar] = {"seed": config.seed, "trainer.max_epochs": config.trainer.max_epochs}
    return root | {".".join(key): _scalar(value) for key, value in flatten(chosen)}


def _scalar(value: Any) -> Scalar:
    return value if isinstance(value, Scalar) else str(value)
