"""A finished run, read back."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from seqvise.config.formats import load_config
from seqvise.config.hydra_errors import one_line
from seqvise.config.options import Config, PathOptions
from seqvise.config.schema import typed, without_unknown
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.errors import UserError
from seqvise.images.options import ImageOptions
from seqvise.options import option_errors
from seqvise.runs.directory import ASSETS, BEST, CHECKPOINTS, CONFIG, LAST, STATUS, own_network
from seqvise.runs.environment import new_keys, other_versions
from seqvise.runs.integrity import check_run

log = logging.getLogger(__name__)
CACHE = "SEQVISE_CACHE"
"""Environment variable of the cache's folder, as in ``conf/paths/default.yaml``."""


@dataclass(frozen=True)
class Run:
    """A run directory and every choice that was made for it, with the types they had.

    Attributes:
        path: the directory.
        config: its ``config.yaml``.
    """

    path: Path
    config: Config

    @classmethod
    def open(cls, path: str | Path, trust: bool = False) -> Run:
        """Reads a run directory.

        Args:
            path: the directory, perhaps from someone else.
            trust: import classes outside of seqvise, torch and Lightning that its config names.

        Raises:
            UserError: it is not one, its config is not ours, or it names a class that is not to be imported.
        """
        folder = Path(path)
        file = folder / CONFIG
        if not file.is_file():
            found = "it has no config.yaml" if folder.is_dir() else _absent(folder)
            raise UserError(f"{folder} is not a run directory: {found}.")
        other = other_versions(folder)
        made = [f"{folder} was made with {other}."] if other else []
        try:
            saved = without_unknown(load_config(file, trust), file)
            config = typed(saved)
        except UserError as error:
            problems = [told if told.startswith(str(file)) else f"{file}: {told}" for told in error.messages]
            raise UserError(*problems, *made) from error
        except (OmegaConfBaseException, YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{file} cannot be read: {one_line(error)}.", *made) from error
        if problems := [f"{file}: {problem}" for problem in option_errors(config)]:
            raise UserError(*problems, *made)
        if made and (new := new_keys(saved, config)):
            log.warning("%s What it did not know is taken to be %s.", made[0], new)
        check_run(folder)
        return cls(folder, _with_own_network(folder, config))

    @cached_property
    def source(self) -> TextCodec:
        """How source text becomes ids."""
        return TextCodec.load(self.path / ASSETS, "source")

    @cached_property
    def target(self) -> TextCodec:
        """How target ids become text."""
        return TextCodec.load(self.path / ASSETS, "target")

    @cached_property
    def text(self) -> TextCodec:
        """How the text of a language model or a classifier becomes ids, and ids text."""
        return TextCodec.load(self.path / ASSETS, "text")

    @property
    def cache(self) -> Path:
        """The cache of the run; the default one where the run comes from a machine with another."""
        cache = Path(self.config.paths.cache)
        return Path(os.environ.get(CACHE, PathOptions().cache)) if cache.is_absolute() and not cache.is_dir() else cache

    def checkpoint(self) -> Path:
        """The best checkpoint, or the last where there is no best.

        Raises:
            UserError: the run has none; the message says how the run stands.
        """
        names = [self.path / CHECKPOINTS / name for name in (BEST, LAST)]
        for path in names:
            if path.is_file():
                return path
        raise UserError(f"{self.path} has no checkpoint yet{self._standing()}.")

    def _standing(self) -> str:
        try:
            status = json.loads((self.path / STATUS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""
        why = status.get("why")
        return f" (status: {status.get('status')}{f', {why}' if why else ''})"


def _with_own_network(folder: Path, config: Config) -> Config:
    if isinstance(config.data, ImageOptions) and (own := own_network(folder, config.data.weights)):
        return replace(config, data=replace(config.data, weights=own))
    return config


def _absent(folder: Path) -> str:
    return "it is a file" if folder.exists() else "there is no such folder"
