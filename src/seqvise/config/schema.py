"""Types of the config: which dataclass stands behind each node, with Hydra and without."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from seqvise.config.classes import dotted, find_class
from seqvise.config.faults import nearest
from seqvise.config.options import Config
from seqvise.config.processes import run_time
from seqvise.config.tree import own_folder
from seqvise.corpus.options import DataOptions
from seqvise.corpus.text_options import LABELS, STREAM, LabelOptions, StreamOptions
from seqvise.errors import UserError
from seqvise.images.options import ImageOptions
from seqvise.models.devise_options import DeviseOptions
from seqvise.models.language_options import ClassifierOptions, LanguageModelOptions
from seqvise.models.options import RecurrentOptions
from seqvise.models.transformer_options import TransformerOptions
from seqvise.tuning.options import TuneConfig

MODEL_OPTIONS: dict[str, type] = {
    "seqvise.models.recurrent.Recurrent": RecurrentOptions,
    "seqvise.models.transformer.Transformer": TransformerOptions,
    "seqvise.models.devise.Devise": DeviseOptions,
    "seqvise.models.awd_lstm.AwdLstm": LanguageModelOptions,
    "seqvise.models.text_classifier.TextClassifier": ClassifierOptions,
}
DATA_OPTIONS: dict[str, type] = {
    "parallel": DataOptions,
    "images": ImageOptions,
    STREAM: StreamOptions,
    LABELS: LabelOptions,
}
"""For each `data.kind` the type of the `data` node."""


def register() -> None:
    """Tells Hydra the types of the config and the resolvers that its files use. Harmless when repeated."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    store.store(name="tune_schema", node=TuneConfig)
    store.store(group="options", name="recurrent", node=RecurrentOptions)
    store.store(group="options", name="transformer", node=TransformerOptions)
    store.store(group="options", name="devise", node=DeviseOptions)
    store.store(group="options", name="awd_lstm", node=LanguageModelOptions)
    store.store(group="options", name="text_classifier", node=ClassifierOptions)
    for kind, options in DATA_OPTIONS.items():
        store.store(group="options", name=kind, node=options)
    _resolve_as("run_name", _run_name)
    _resolve_as("run_dir", _run_dir)
    _resolve_as("hydra_folder", _hydra_folder)
    _resolve_as("own_conf", _own_conf)
    # Hydra takes the cache over from the sweep to its jobs, which then agree on the sweep's folder.
    OmegaConf.register_new_resolver("run_time", run_time, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("sweep_name", _sweep_name, replace=True, use_cache=True)


def typed(cfg: DictConfig) -> Config:
    """The config as dataclasses, interpolations resolved. It may come from Hydra or from a run's plain config.yaml.

    The data node becomes the dataclass of its kind, the model's that of its class where one is known, else it stays a
    plain dictionary.

    Raises:
        UserError: the model's node names no class that can be imported.
    """
    merged = cast(DictConfig, OmegaConf.merge(OmegaConf.structured(Config), cfg))
    data = _typed_data(merged)  # before the others: of a config of another shape, it says more than what is missing
    config = cast(Config, OmegaConf.to_object(merged))
    config.data = data
    if isinstance(config.model, dict):
        config.model = _typed_model(config.model)
    return config


def _typed_data(cfg: DictConfig) -> object:
    node = cast(dict[str, Any], OmegaConf.to_container(cfg.data, resolve=True))
    kind = node.get("kind", "parallel")
    if kind not in DATA_OPTIONS:
        raise UserError(f"data.kind is '{kind}', but must be one of {', '.join(DATA_OPTIONS)}.")
    return _as_options(DATA_OPTIONS[kind], node, "data")


def _typed_model(node: dict[str, Any]) -> object:
    if not node.get("_target_"):
        raise UserError("model._target_ is not set: give the class of the model.")
    options = _model_options(str(node["_target_"]))
    if options is None:
        return node
    return _as_options(options, node, "model")


def _as_options(options: type, node: dict[str, Any], name: str) -> object:
    known = [item.name for item in fields(options)]
    if strangers := [key for key in node if key not in known]:
        raise UserError(*(f"{name}.{key}: there is no such key{nearest(key, known)}" for key in strangers))
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(options), node))


def _model_options(target: str) -> type | None:
    """The options of a class by its dotted path: its ``options_type``, or of a shipped class that it extends."""
    if target in MODEL_OPTIONS:
        return MODEL_OPTIONS[target]
    model = find_class("model._target_", target)
    named = (MODEL_OPTIONS.get(dotted(base)) for base in model.__mro__)
    return cast(type | None, getattr(model, "options_type", None) or next(filter(None, named), None))


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
