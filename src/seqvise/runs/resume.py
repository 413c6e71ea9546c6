"""Going on with a run where it was broken off."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from seqvise.config.arguments import further_arguments
from seqvise.config.formats import changes, former_keys, load_config
from seqvise.config.keys import flatten, is_filled
from seqvise.config.overrides import key_of, split_override
from seqvise.config.registry import class_paths
from seqvise.config.schema import content, typed, without_unknown
from seqvise.errors import UserError
from seqvise.files import remove_temporary
from seqvise.runs.directory import (
    ASSETS,
    CHECKPOINTS,
    CONFIG,
    LAST,
    METRICS,
    is_first_process,
    own_network,
    read_status,
)
from seqvise.runs.environment import COMPUTING, other_versions
from seqvise.runs.integrity import read_object

log = logging.getLogger(__name__)
AUTO = "auto"
FAILED = "failed"
"""Of ``retry``: jobs that failed are to be tried again."""
LENGTHS = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")
FREE = (
    *LENGTHS,
    "resume",
    "retry",
    "trust",
    "test",
    "verify",
    "keep_changes",
    "paths",
    "logger",
    "schedule.extend",
    "data.root",
    "data.wordnet",
    "data.synsets",
    "vectors.source",
    "vectors.target",
    "data.workers",
    "data.prepare_workers",
    "trainer.log_every_n_steps",
    "trainer.timeout",
    "callbacks.progress",
    "callbacks.samples",
    "callbacks.attention_maps",
    "callbacks.patience",
    "callbacks.save_steps",
)
"""Keys, or nodes, that may be others when a run goes on: what is computed does not depend on them."""
WHOLE = ("experiment", "debug", "local")
"""Groups whose files set keys of every node."""
SHOWN = 8
"""Differences told at most."""


def holds_run(directory: Path) -> bool:
    """Whether a directory is that of a run. A dry run of an earlier revision left a config, but is no run."""
    file = directory / CONFIG
    if not file.is_file():
        return False
    try:
        config = OmegaConf.load(file)
    except (YAMLError, UnicodeDecodeError):
        return True  # a damaged one, which is refused when it is read
    return not (isinstance(config, DictConfig) and config.get("dry_run"))


def begins(cfg: DictConfig, directory: Path) -> bool:
    """Whether the job starts a new run in its directory, and does not go on with one.

    Raises:
        UserError: another run lies there, or the one that ``resume`` names does not.
    """
    there = holds_run(directory)
    if cfg.resume is None:
        # The other processes of this run start when the first has written its config.
        if there and is_first_process():
            raise UserError(
                f"{directory} holds a run already: go on with it by resume={directory} (in a sweep resume=auto), or "
                "choose another folder."
            )
        return True
    if cfg.resume == AUTO:
        return not there
    if Path(cfg.resume).expanduser().absolute() != directory:
        raise UserError(
            "resume=DIR goes on with a single run: for a sweep set resume=auto, and hydra.sweep.dir to its folder."
        )
    if not there:
        raise UserError(_no_run(cfg.resume))
    return False


def check_named(overrides: Sequence[str]) -> None:
    """Raises UserError if ``resume=DIR`` names no run directory."""
    named = [parts.value for parts in map(split_override, overrides) if parts.target == "resume"]
    name = named[-1].strip("'\"") if named else AUTO
    if name not in (AUTO, "null", "") and not (Path(name).expanduser() / CONFIG).is_file():
        raise UserError(_no_run(name))


def _no_run(name: str) -> str:
    return f"resume={name} is not a run directory: it has no {CONFIG}."


def has_finished(directory: Path) -> bool:
    """Whether a run has come to its end."""
    return read_status(directory).get("status") == "ok" and (directory / METRICS).is_file()


def is_longer(cfg: DictConfig, directory: Path, words: Sequence[str]) -> bool:
    """Whether overrides give training another length than the run in a directory had."""
    saved = _read(cfg, directory)
    keys = {key_of(word) for word in words}.intersection(LENGTHS)
    return any(OmegaConf.select(cfg, key) != OmegaConf.select(saved, key) for key in keys)


def resumed_config(cfg: DictConfig, directory: Path, words: Sequence[str]) -> DictConfig:
    """The config that the run in a directory goes on with: its own, with what may be another.

    Args:
        cfg: composed from the words given now.
        words: the overrides given now.

    Raises:
        UserError: the words ask for another run than this one.
    """
    if cfg.dry_run:
        raise UserError(f"dry_run=true shows a new run, but {directory} holds one to resume: leave out one of the two.")
    saved = _saved(cfg, directory)
    given = [key for key in map(key_of, words) if not _is_free(key)]
    former = former_keys(directory / CONFIG).difference(given)  # the run keeps what they meant when it began
    differences = [item for item in _differences(saved, cfg) if item[0] not in former and _concerns(given, item[0])]
    if different := [f"{key}: {old} -> {new}" for key, old, new in differences]:
        more = [f"... and {len(different) - SHOWN} more"] if len(different) > SHOWN else []
        raise UserError(
            f"The run in {directory} goes on with its own config, from which these words differ: "
            f"{'; '.join([*different[:SHOWN], *more])}. Leave them out, or begin a new run."
        )
    for key in {key_of(word) for word in words} - {"resume"}:
        if _is_free(key):
            OmegaConf.update(saved, key, OmegaConf.select(cfg, key), merge=False, force_add=True)
    OmegaConf.update(saved, "paths.run", str(directory))
    if own := own_network(directory, saved.data.get("weights")):
        OmegaConf.update(saved, "data.weights", own)
    if Path(saved.paths.cache).is_absolute() and not Path(saved.paths.cache).is_dir():
        OmegaConf.update(saved, "paths.cache", cfg.paths.cache)  # the run comes from a machine with another cache
    return saved


def warn_of_changes(directory: Path) -> None:
    """Logs what may compute other numbers now than when the run began: versions, and the meaning of its config."""
    if not is_first_process():
        return
    if other := other_versions(directory, COMPUTING):
        log.warning("The run began with %s: its numbers may now differ in the last digits.", other)
    for change in changes(directory / CONFIG):
        log.warning("The run was started by an earlier revision. %s", change)


def _read(cfg: DictConfig, directory: Path) -> DictConfig:
    """The run's own config. Classes that the words given now name are trusted: the run may name them, too."""
    named = [str(path) for _, path, _ in class_paths(cast(dict[str, Any], OmegaConf.to_container(cfg)))]
    return load_config(directory / CONFIG, cfg.trust, named)


def _saved(cfg: DictConfig, directory: Path) -> DictConfig:
    """The run's own config without the keys that nothing reads, which a line names."""
    saved = without_unknown(_read(cfg, directory), directory / CONFIG)
    for key, sentence in further_arguments(cast(dict[str, Any], OmegaConf.to_container(saved))):
        log.warning("%s: %s It is ignored.", directory / CONFIG, sentence)
        del saved[key[0]][key[1]]
    return saved


def last_checkpoint(directory: Path) -> Path | None:
    """Where training goes on from; None where nothing was saved yet. What a killed process left half is removed."""
    folder = directory / CHECKPOINTS
    if is_first_process():
        for place in (directory, folder, directory / ASSETS):
            remove_temporary(place, below=False)
    return folder / LAST if (folder / LAST).is_file() else None


def check_assets(write: Callable[[Path], None], assets: Path) -> None:
    """Compares what the data give now with what the run began with.

    Args:
        write: writes the assets that belong to the data of now.
        assets: those of the run.

    Raises:
        UserError: they differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for file in sorted(Path(folder).rglob("*")):
            name = file.relative_to(folder)
            before = assets / name
            if file.is_file() and before.is_file() and not _is_as_before(file, before):
                raise UserError(
                    f"{before} is not what the data give now, so the run cannot go on with them: bring the files of "
                    "data and vectors back as they were, or begin a new run."
                )


def _is_as_before(file: Path, before: Path) -> bool:
    """Whether two files are equal. A manifest of an earlier revision may lack keys, such as checksums."""
    if file.read_bytes() == before.read_bytes():
        return True
    if file.name != "manifest.json":
        return False
    now, former = read_object(file), read_object(before)
    return bool(former) and {key: now.get(key) for key in former} == former


def step_of(checkpoint: Path) -> int:
    """Optimizer steps that a checkpoint has behind it."""
    from seqvise.runs.weights import REMEDY, read_checkpoint

    content = read_checkpoint(checkpoint, mmap=True)
    if "global_step" not in content:
        raise UserError(f"{checkpoint} is no checkpoint of a run (it has no global_step): {REMEDY}")
    return int(content["global_step"])


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def _concerns(given: Sequence[str], key: str) -> bool:
    """Whether one of the overrides given sets a key, itself or with its node; some set keys of every node."""
    return any(name in WHOLE or key == name or key.startswith(f"{name}.") for name in given)


def _differences(saved: DictConfig, wanted: DictConfig) -> Iterator[tuple[str, Any, Any]]:
    """Key, old and new value of what is not free; what is null now was left to be drawn or made."""
    before, after = _leaves(saved), _leaves(wanted)
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old != new and new is not None and not _is_free(key):
            yield key, old, new


def _leaves(cfg: DictConfig) -> dict[str, Any]:
    return {".".join(key): value for key, value in flatten(content(typed(cfg)), is_filled)}
