"""The config of a command line, without running anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from seqvise.config.faults import Fault, blamed, one_line
from seqvise.config.schema import register
from seqvise.config.tree import conf_folder
from seqvise.errors import UserError

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
    faults = list(_grammar_faults(overrides))
    while True:
        fitting = [word for word in overrides if word not in {fault.word for fault in faults}]
        try:
            cfg = _compose(fitting, root)
        except (HydraException, OmegaConfBaseException) as error:
            word = blamed(fitting, error)
            if word is None:
                raise UserError(*(fault.sentence() for fault in faults), one_line(error)) from error
            faults.append(Fault(word, error))
        else:
            return cfg, [fault.sentence(cfg) for fault in faults]


def _grammar_faults(overrides: Iterable[str]) -> Iterable[Fault]:
    parser = OverridesParser.create()
    for word in overrides:
        try:
            parser.parse_override(word)
        except HydraException as error:
            yield Fault(word, error)


def _compose(overrides: list[str], root: str) -> DictConfig:
    register()
    with hydra.initialize_config_dir(str(conf_folder()), version_base=VERSION_BASE):
        return cast(DictConfig, hydra.compose(root, overrides=overrides))
