"""The config of a command line, without running anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqvise.config.arguments import further_arguments
from seqvise.config.hydra_errors import Fault, blamed, one_line
from seqvise.config.keys import unknown_keys
from seqvise.config.schema import register, unknown_in
from seqvise.config.search_path import conf_folder, is_group
from seqvise.errors import UserError
from seqvise.moved import current_override
from seqvise.tuning.options import TuneConfig

CONFIG_NAME = "train"
VERSION_BASE = "1.3"


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The config that a command line with these overrides would run with, without Hydra's own node.

    Raises:
        UserError: with a sentence for each override that does not fit.
    """
    cfg, problems = compose_what_fits(overrides)
    if problems:
        raise UserError(*problems)
    return cfg


def compose_what_fits(overrides: Sequence[str], root: str = CONFIG_NAME) -> tuple[DictConfig, list[str]]:
    """The config of those overrides that fit, and a sentence about each of the others.

    Hydra stops at the first fault; here what it blames is set aside and the rest composed again.

    Args:
        overrides: words of a command line.
        root: the file of the tree that names the others.

    Raises:
        UserError: where no override is to blame, so that a config file must be wrong.
    """
    cfg, faults = _set_aside([current_override(word) for word in overrides], root)
    return cfg, [fault.sentence(cfg) for fault in faults]


def without_place(overrides: Sequence[str]) -> list[str]:
    """Those of some overrides that do not fit without the others that make a whole command line of them."""
    return [fault.word for fault in _set_aside(overrides, CONFIG_NAME)[1]]


def _set_aside(overrides: Sequence[str], root: str) -> tuple[DictConfig, list[Fault]]:
    faults = list(_grammar_faults(overrides))
    while True:
        fitting = [word for word in overrides if word not in {fault.word for fault in faults}]
        try:
            return _compose(fitting, root), faults
        except (HydraException, OmegaConfBaseException) as error:
            word = blamed(fitting, error)
            if word is None:
                found = _file_problems(fitting, root, error)
                raise UserError(*(fault.sentence() for fault in faults), *found) from error
            faults.append(Fault(word, error))


def _file_problems(overrides: Sequence[str], root: str, error: Exception) -> list[str]:
    """A sentence for each key of a config file that nothing reads, or about the error where all of them are read."""
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
    place = f"The command line has none of these keys; the first is in {file[1]}.yaml." if file else ""
    return [*(key.sentence() for key in unknown), *further, *filter(None, [place])]


def compose_each(jobs: Iterable[Sequence[str]]) -> Iterator[tuple[DictConfig, list[str]]]:
    """``compose_what_fits`` of the jobs of a sweep. A job that only gives keys other values than the one before is not
    composed anew, which takes a tenth of the time; its config is the same object."""
    cfg, before = None, list[str]()
    for words in jobs:
        problems: list[str] = []
        if cfg is None or not _change(cfg, before, words):
            cfg, problems = compose_what_fits(words)
        yield cfg, problems
        cfg, before = (None if problems else cfg), list(words)


def _change(cfg: DictConfig, before: Sequence[str], words: Sequence[str]) -> bool:
    """Gives a config the values of other words, if they set the same keys and choose the same files."""
    keys = [_key(word) for word in words]
    if keys != [_key(word) for word in before] or len(set(keys)) < len(keys):
        return False
    other = [word for word, old in zip(words, before, strict=True) if word != old]
    if any(_key(word)[:1] in ("+", "~") or is_group(_key(word)) for word in other):
        return False
    try:
        parsed = OverridesParser.create().parse_overrides(other)
        if any(isinstance(word.value(), dict) for word in parsed):  # is merged with the one before
            return False
        ConfigLoaderImpl._apply_overrides_to_config(parsed, cfg)
    except (HydraException, OmegaConfBaseException):
        return False
    return True


def _key(word: str) -> str:
    return word.partition("=")[0]


def _grammar_faults(overrides: Iterable[str]) -> Iterable[Fault]:
    parser = OverridesParser.create()
    for word in overrides:
        try:
            parser.parse_override(word)
        except HydraException as error:
            yield Fault(word, error)


def _compose(overrides: list[str], root: str) -> DictConfig:
    register()
    return _composed(overrides, root)


def _composed(overrides: list[str], root: str) -> DictConfig:
    with hydra.initialize_config_dir(str(conf_folder()), version_base=VERSION_BASE):
        return cast(DictConfig, hydra.compose(root, overrides=overrides))
