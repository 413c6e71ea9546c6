"""Resumes an interrupted run."""

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
    network_copy,
    read_status,
)
from seqvise.runs.environment import NUMERIC_PACKAGES, other_versions
from seqvise.runs.integrity import read_object

log = logging.getLogger(__name__)
AUTO = "auto"
FAILED = "failed"
"""Value of ``retry``: failed jobs are run again."""
LENGTH_KEYS = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")
CHANGEABLE = (
    *LENGTH_KEYS,
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
"""Keys, or nodes, that may change when a run is resumed, because they do not affect the results."""
GLOBAL_GROUPS = ("experiment", "debug", "local")
"""Config groups whose files set keys of every node."""
MAX_DIFFERENCES = 8
"""Maximum number of differences in a message."""


def holds_run(directory: Path) -> bool:
    """Whether a directory has a run. A dry run of an earlier revision left a config, but is not a run."""
    file = directory / CONFIG
    if not file.is_file():
        return False
    try:
        config = OmegaConf.load(file)
    except (YAMLError, UnicodeDecodeError):
        return True  # a damaged config is refused when it is read
    return not (isinstance(config, DictConfig) and config.get("dry_run"))


def is_new_run(cfg: DictConfig, directory: Path) -> bool:
    """Whether the job starts a new run in its directory, instead of resuming one.

    Raises:
        UserError: the directory has another run, or the run that ``resume`` names does not exist.
    """
    exists = holds_run(directory)
    if cfg.resume is None:
        # Processes with rank above 0 start after the first has written the config.
        if exists and is_first_process():
            raise UserError(
                f"{directory} already has a run: resume it with resume={directory} (in a sweep resume=auto), or choose "
                "another folder."
            )
        return True
    if cfg.resume == AUTO:
        return not exists
    if Path(cfg.resume).expanduser().absolute() != directory:
        raise UserError(
            "resume=DIR resumes a single run. For a sweep, set resume=auto, and hydra.sweep.dir to the sweep's folder."
        )
    if not exists:
        raise UserError(_no_run(cfg.resume))
    return False


def check_resume(overrides: Sequence[str]) -> None:
    """Raises UserError if ``resume=DIR`` names no run directory."""
    values = [override.partition("=")[2] for override in overrides if override.startswith("resume=")]
    name = values[-1].strip("'\"") if values else AUTO
    if name not in (AUTO, "null", "") and not (Path(name).expanduser() / CONFIG).is_file():
        raise UserError(_no_run(name))


def _no_run(name: str) -> str:
    return f"resume={name} is not a run directory: it has no {CONFIG}."


def has_finished(directory: Path) -> bool:
    """Whether a run has finished."""
    return read_status(directory).get("status") == "ok" and (directory / METRICS).is_file()


def changes_length(cfg: DictConfig, directory: Path, overrides: Sequence[str]) -> bool:
    """Whether overrides change the training length of the run in a directory."""
    saved = _read(cfg, directory)
    keys = {_key(override) for override in overrides}.intersection(LENGTH_KEYS)
    return any(OmegaConf.select(cfg, key) != OmegaConf.select(saved, key) for key in keys)


def resumed_config(cfg: DictConfig, directory: Path, overrides: Sequence[str]) -> DictConfig:
    """The config of a resumed run: its saved config, with changeable keys from the overrides.

    Args:
        cfg: composed from the current overrides.
        overrides: the current overrides.

    Raises:
        UserError: the overrides change a key that must stay the same.
    """
    if cfg.dry_run:
        raise UserError(f"dry_run=true shows a new run, but {directory} holds one to resume: leave out one of the two.")
    saved = _saved(cfg, directory)
    fixed_keys = [key for key in map(_key, overrides) if not _is_changeable(key)]
    former = former_keys(directory / CONFIG).difference(fixed_keys)  # they keep the meaning they had in the run
    differences = [item for item in _differences(saved, cfg) if item[0] not in former and _sets(fixed_keys, item[0])]
    if lines := [f"{key}: {old} -> {new}" for key, old, new in differences]:
        more = [f"... and {len(lines) - MAX_DIFFERENCES} more"] if len(lines) > MAX_DIFFERENCES else []
        raise UserError(
            f"The run in {directory} is resumed with its own config, but these overrides differ from it: "
            f"{'; '.join([*lines[:MAX_DIFFERENCES], *more])}. Remove them, or start a new run."
        )
    for key in {_key(override) for override in overrides} - {"resume"}:
        if _is_changeable(key):
            OmegaConf.update(saved, key, OmegaConf.select(cfg, key), merge=False, force_add=True)
    OmegaConf.update(saved, "paths.run", str(directory))
    if copy := network_copy(directory, saved.data.get("weights")):
        OmegaConf.update(saved, "data.weights", copy)
    if Path(saved.paths.cache).is_absolute() and not Path(saved.paths.cache).is_dir():
        OmegaConf.update(saved, "paths.cache", cfg.paths.cache)  # the run comes from another machine
    return saved


def warn_of_changes(directory: Path) -> None:
    """Logs changes since the start of the run that may affect its results: versions, and the meaning of config keys."""
    if not is_first_process():
        return
    if other := other_versions(directory, NUMERIC_PACKAGES):
        log.warning("The run was started with %s: results may differ in the last digits.", other)
    for change in changes(directory / CONFIG):
        log.warning("The run was started by an earlier revision. %s", change)


def _read(cfg: DictConfig, directory: Path) -> DictConfig:
    """The run's saved config. Classes that the current overrides name are trusted in it, too."""
    trusted = [str(path) for _, path, _ in class_paths(cast(dict[str, Any], OmegaConf.to_container(cfg)))]
    return load_config(directory / CONFIG, cfg.trust, trusted)


def _saved(cfg: DictConfig, directory: Path) -> DictConfig:
    """The run's saved config without unknown keys, which are logged."""
    saved = without_unknown(_read(cfg, directory), directory / CONFIG)
    for key, sentence in further_arguments(cast(dict[str, Any], OmegaConf.to_container(saved))):
        log.warning("%s: %s It is ignored.", directory / CONFIG, sentence)
        del saved[key[0]][key[1]]
    return saved


def last_checkpoint(directory: Path) -> Path | None:
    """The checkpoint to resume from; None if there is none. Partial files of a killed process are removed."""
    folder = directory / CHECKPOINTS
    if is_first_process():
        for parent in (directory, folder, directory / ASSETS):
            remove_temporary(parent, below=False)
    return folder / LAST if (folder / LAST).is_file() else None


def check_assets(write: Callable[[Path], None], assets: Path) -> None:
    """Compares the assets of the current data with those of the run.

    Args:
        write: writes the assets of the current data.
        assets: the run's assets.

    Raises:
        UserError: they differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for file in sorted(Path(folder).rglob("*")):
            name = file.relative_to(folder)
            saved_file = assets / name
            if file.is_file() and saved_file.is_file() and not _is_unchanged(file, saved_file):
                raise UserError(
                    f"{saved_file} differs from the current data, so the run cannot be resumed: restore the files of "
                    "data and vectors, or start a new run."
                )


def _is_unchanged(file: Path, saved_file: Path) -> bool:
    """Whether two files are equal. A manifest of an earlier revision may lack keys such as checksums."""
    if file.read_bytes() == saved_file.read_bytes():
        return True
    if file.name != "manifest.json":
        return False
    now, former = read_object(file), read_object(saved_file)
    return bool(former) and {key: now.get(key) for key in former} == former


def step_of(checkpoint: Path) -> int:
    """The number of optimizer steps before a checkpoint."""
    from seqvise.runs.model import REMEDY, read_checkpoint

    content = read_checkpoint(checkpoint, mmap=True)
    if "global_step" not in content:
        raise UserError(f"{checkpoint} is not the checkpoint of a run (it has no global_step): {REMEDY}")
    return int(content["global_step"])


def _is_changeable(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in CHANGEABLE)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~").partition("@")[0].replace("/", ".")


def _sets(names: Sequence[str], key: str) -> bool:
    """Whether an override sets a key, directly, with its node or with a group that sets keys of every node."""
    return any(name in GLOBAL_GROUPS or key == name or key.startswith(f"{name}.") for name in names)


def _differences(saved: DictConfig, wanted: DictConfig) -> Iterator[tuple[str, Any, Any]]:
    """Key, old and new value of differences in other keys; keys that are null now were filled in by the run."""
    before, after = _leaves(saved), _leaves(wanted)
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old != new and new is not None and not _is_changeable(key):
            yield key, old, new


def _leaves(cfg: DictConfig) -> dict[str, Any]:
    return {".".join(key): value for key, value in flatten(content(typed(cfg)), is_filled)}
