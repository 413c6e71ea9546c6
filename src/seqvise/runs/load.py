"""Loads the config, codecs and checkpoint path of a run directory."""

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
from seqvise.corpus.documents.options import LABELS, STREAM
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.errors import UserError
from seqvise.images.options import ImageOptions
from seqvise.options import option_errors
from seqvise.runs.directory import ASSETS, BEST, CHECKPOINTS, CONFIG, LAST, STATUS, network_copy
from seqvise.runs.environment import new_keys, other_versions
from seqvise.runs.integrity import check_run

log = logging.getLogger(__name__)
CACHE = "SEQVISE_CACHE"
"""Environment variable of the cache folder, as in ``conf/paths/default.yaml``."""


@dataclass(frozen=True)
class Run:
    """A run directory and its typed config.

    Attributes:
        path: the directory.
        config: its ``config.yaml``.
    """

    path: Path
    config: Config

    @classmethod
    def open(cls, path: str | Path | Run, trust: bool = False) -> Run:
        """Reads a run directory.

        Args:
            path: the run directory, which may come from an untrusted source; an open run is returned as it is.
            trust: whether classes outside seqvise, torch and Lightning that its config names may be imported.

        Raises:
            UserError: it is not a run directory, its config is invalid, or it names a class that may not be imported.
        """
        if isinstance(path, Run):
            return path
        folder = Path(path)
        file = folder / CONFIG
        if not file.is_file():
            reason = "it has no config.yaml" if folder.is_dir() else _missing_reason(folder)
            raise UserError(f"{folder} is not a run directory: {reason}.")
        other = other_versions(folder)
        version_notes = [f"{folder} was made with {other}."] if other else []
        try:
            saved = without_unknown(load_config(file, trust), file)
            config = typed(saved)
        except UserError as error:
            messages = [text if text.startswith(str(file)) else f"{file}: {text}" for text in error.messages]
            raise UserError(*messages, *version_notes) from error
        except (OmegaConfBaseException, YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{file} cannot be read: {one_line(error)}.", *version_notes) from error
        if messages := [f"{file}: {message}" for message in option_errors(config)]:
            raise UserError(*messages, *version_notes)
        if version_notes and (new := new_keys(saved, config)):
            log.warning("%s Keys that did not exist then get their defaults: %s.", version_notes[0], new)
        check_run(folder)
        return cls(folder, _with_network_copy(folder, config))

    @cached_property
    def source(self) -> TextCodec:
        """Converts source text to ids."""
        return TextCodec.load(self.path / ASSETS, "source")

    @cached_property
    def target(self) -> TextCodec:
        """Converts target ids to text."""
        return TextCodec.load(self.path / ASSETS, "target")

    @cached_property
    def text(self) -> TextCodec:
        """Converts text of a language model or a classifier to ids, and ids to text."""
        return TextCodec.load(self.path / ASSETS, "text")

    @property
    def cache(self) -> Path:
        """The cache folder of the run, or the default one if the run comes from a machine with another cache."""
        cache = Path(self.config.paths.cache)
        return Path(os.environ.get(CACHE, PathOptions().cache)) if cache.is_absolute() and not cache.is_dir() else cache

    def checkpoint(self) -> Path:
        """The path of the best checkpoint, or of the last if there is no best.

        Raises:
            UserError: the run has no checkpoint; the message has the run's status.
        """
        paths = [self.path / CHECKPOINTS / name for name in (BEST, LAST)]
        for path in paths:
            if path.is_file():
                return path
        raise UserError(f"{self.path} has no checkpoint{self._why_none()}")

    def _why_none(self) -> str:
        """The rest of a sentence about a run without a checkpoint."""
        if self.config.trainer.fast_dev_run:
            return ": it was a smoke test of a few batches (debug=fast), which writes none. Train without debug=fast."
        try:
            status = json.loads((self.path / STATUS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return " yet."
        if status.get("status") == "ok":
            return " (status: ok): its files in checkpoints/ were removed, or not copied with the run."
        reason = status.get("why")
        return f" yet (status: {status.get('status')}{f', {reason}' if reason else ''})."


def _with_network_copy(folder: Path, config: Config) -> Config:
    if isinstance(config.data, ImageOptions) and (copy := network_copy(folder, config.data.weights)):
        return replace(config, data=replace(config.data, weights=copy))
    return config


def trained_on(run: Run) -> str:
    """What kind of data a run was trained on, for messages about a run of the wrong kind."""
    return f"it was trained with data.kind={run.config.data.kind}"


PARALLEL, IMAGES = "parallel", "images"
COMMANDS = {
    PARALLEL: "seqvise translate",
    IMAGES: "seqvise search",
    LABELS: "seqvise classify",
    STREAM: "seqvise generate",
}
"""The command that uses a run, by ``data.kind``."""


def other_command(run: Run, expected_kind: str) -> str:
    """The end of a message about a run of the wrong kind: the command that uses it, if it is known."""
    kind = run.config.data.kind
    return f", or use this run with `{COMMANDS[kind]} run={run.path}`" if kind in {*COMMANDS} - {expected_kind} else ""


def _missing_reason(folder: Path) -> str:
    return "it is a file" if folder.exists() else "there is no such folder"
