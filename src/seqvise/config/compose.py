"""Composes the config of a command line without running it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqvise.config.arguments import further_arguments
from seqvise.config.hydra_errors import Fault, Unparsed, blamed, misread, missing_file, one_line
from seqvise.config.keys import unknown_keys
from seqvise.config.overrides import split_override
from seqvise.config.schema import register, unknown_in
from seqvise.config.search_path import conf_folder, is_group
from seqvise.errors import UserError
from seqvise.moved import current_override
from seqvise.tuning.options import TuneConfig

CONFIG_NAME = "train"
VERSION_BASE = "1.3"


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """Composes the config of a command line with these overrides, without Hydra's own node.

    Raises:
        UserError: with a sentence for each override that Hydra refuses.
    """
    cfg, errors = compose_what_fits(overrides)
    if errors:
        raise UserError(*errors)
    return cfg


def compose_what_fits(overrides: Sequence[str], root: str = CONFIG_NAME) -> tuple[DictConfig, list[str]]:
    """Composes the config of the valid overrides, and returns it with a sentence about each of the others.

    Hydra stops at the first error; here the override that caused it is removed, and the others are composed again.

    Args:
        overrides: overrides of a command line.
        root: name of the primary config.

    Raises:
        UserError: no override caused an error, so a config file must be wrong.
    """
    cfg, faults = _without_faults([current_override(word) for word in overrides], root)
    return cfg, [fault.sentence(cfg) for fault in faults]


def without_place(overrides: Sequence[str]) -> list[str]:
    """Returns the overrides that Hydra refuses without the rest of the command line."""
    return [fault.override for fault in _without_faults(overrides, CONFIG_NAME)[1]]


def _without_faults(overrides: Sequence[str], root: str) -> tuple[DictConfig, list[Fault]]:
    faults = list(_grammar_faults(overrides))
    while True:
        valid = [text for text in overrides if text not in {fault.override for fault in faults}]
        try:
            cfg = _compose(valid, root)
            return cfg, [*faults, *misread(cfg, valid)]
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            override = blamed(valid, error)
            if override is None:
                errors = _file_errors(valid, root, error)
                raise UserError(*(fault.sentence() for fault in faults), *errors) from error
            faults.append(Fault(override, error))


def _file_errors(overrides: Sequence[str], root: str, error: Exception) -> list[str]:
    """A sentence for each unknown key of a config file, or about the error if all keys are known."""
    if isinstance(error, MissingConfigException):
        return [missing_file(error)]
    register(typed=False)
    try:
        content = cast(dict[str, Any], OmegaConf.to_container(_composed(list(overrides), root)))
    except (HydraException, OmegaConfBaseException):
        return [one_line(error)]
    finally:
        register()
    unknown = list(unknown_in(content) if root == CONFIG_NAME else unknown_keys(content, TuneConfig, {}))
    if not unknown:
        return [one_line(error)]
    further = [sentence for _, sentence in further_arguments(content)]
    file = re.match("In '(.+)': ", one_line(error))
    source = f"The command line has none of these keys; the first is in {file[1]}.yaml." if file else ""
    return [*(key.sentence() for key in unknown), *further, *filter(None, [source])]


def compose_each(jobs: Iterable[Sequence[str]]) -> Iterator[tuple[DictConfig, list[str]]]:
    """``compose_what_fits`` for each job of a sweep.

    A job that sets the same keys as the one before to other values is not composed again, which takes a tenth of the
    time; its config is the same object.
    """
    cfg, former = None, list[str]()
    for overrides in jobs:
        errors: list[str] = []
        if cfg is None or not _update(cfg, former, overrides):
            cfg, errors = compose_what_fits(overrides)
        yield cfg, errors
        cfg, former = (None if errors else cfg), list(overrides)


def _update(cfg: DictConfig, former: Sequence[str], overrides: Sequence[str]) -> bool:
    """Sets other values in a config, if the overrides set the same keys and choose the same files as the former."""
    keys = [split_override(text)[:-1] for text in overrides]
    if keys != [split_override(text)[:-1] for text in former] or len(set(keys)) < len(keys):
        return False
    changed = [text for text, old in zip(overrides, former, strict=True) if text != old]
    if any(parts.sign or is_group(parts.name) for parts in map(split_override, changed)):
        return False
    try:
        parsed = OverridesParser.create().parse_overrides(changed)
        if any(isinstance(item.value(), dict) for item in parsed):  # would be merged with the former value
            return False
        ConfigLoaderImpl._apply_overrides_to_config(parsed, cfg)
    except (HydraException, OmegaConfBaseException):
        return False
    return True


def _grammar_faults(overrides: Iterable[str]) -> Iterable[Fault]:
    parser = OverridesParser.create()
    for override in overrides:
        try:
            parser.parse_override(override)
        except HydraException as error:
            yield Unparsed(override, error)


def _compose(overrides: list[str], root: str) -> DictConfig:
    register()
    return _composed(overrides, root)


def _composed(overrides: list[str], root: str) -> DictConfig:
    with hydra.initialize_config_dir(str(conf_folder()), version_base=VERSION_BASE):
        return cast(DictConfig, hydra.compose(root, overrides=overrides))
