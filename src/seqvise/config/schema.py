"""Types of the config: which dataclass stands behind each node, with Hydra and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from seqvise.config.options import Config
from seqvise.config.tree import own_folder
from seqvise.models.options import RecurrentOptions

MODEL_OPTIONS: dict[str, type] = {"seqvise.models.recurrent.Recurrent": RecurrentOptions}


def register() -> None:
    """Tells Hydra the types of the config and the resolvers that its files use. Harmless when repeated."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    store.store(group="options", name="recurrent", node=RecurrentOptions)
    _resolve_as("run_name", _run_name)
    _resolve_as("own_conf", _own_conf)


def typed(cfg: DictConfig) -> Config:
    """The config as dataclasses, interpolations resolved. It may come from Hydra or from a run's plain config.yaml.

    The model's node becomes the dataclass of its class where one is known, else stays a plain dictionary.
    """
    merged = cast(DictConfig, OmegaConf.merge(OmegaConf.structured(Config), cfg))
    config = cast(Config, OmegaConf.to_object(merged))
    if isinstance(config.model, dict):
        config.model = _typed_model(config.model)
    return config


def _typed_model(node: dict[str, Any]) -> object:
    options = _model_options(str(node.get("_target_")))
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(options), node)) if options else node


def _model_options(target: str) -> type | None:
    """The options of a class by its dotted path: its ``options_type``, or of a shipped class that it extends."""
    if target in MODEL_OPTIONS:
        return MODEL_OPTIONS[target]
    model = get_class(target)
    named = (MODEL_OPTIONS.get(f"{base.__module__}.{base.__qualname__}") for base in model.__mro__)
    return cast(type | None, getattr(model, "options_type", None) or next(filter(None, named), None))


def _resolve_as(name: str, function: Callable[..., str]) -> None:
    OmegaConf.register_new_resolver(name, function, replace=True)


def _run_name(experiment: str | None, model: str | None) -> str:
    return experiment or model or "run"


def _own_conf() -> str:
    """The search path of a person's own ./conf; an empty package of ours where there is none."""
    folder = own_folder()
    return f"file://{folder}" if folder else "pkg://seqvise.config"
