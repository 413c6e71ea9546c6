"""Builds a search from the arguments of ``seqvise tune``, or reports all errors in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqvise.config.compose import compose_what_fits
from seqvise.config.hydra_errors import one_line
from seqvise.config.keys import unknown_keys
from seqvise.config.overrides import key_of, override, split_override
from seqvise.config.search_path import choices
from seqvise.config.validate import METRICS, validate
from seqvise.errors import UserError
from seqvise.launching.pool import cpu_processes, cuda_devices, devices_needed, threads_of_job
from seqvise.moved import current_metric
from seqvise.options import option_errors
from seqvise.paths import unwritable
from seqvise.runs.directory import CONFIG
from seqvise.tasks.options import is_smaller_better
from seqvise.tuning.options import TuneConfig, TuneOptions
from seqvise.tuning.space import Parameter, Value, corners, read_space
from seqvise.tuning.space_overrides import changed_space, is_space_override
from seqvise.tuning.study import Plan

ROOT = "tune"
HYDRA_KEYS = ("hydra.run", "hydra.sweep", "hydra.mode", "hydra.launcher", "hydra.sweeper")
PER_TRIAL = ("resume", "dry_run", *HYDRA_KEYS, "paths.run")
"""Keys that each trial sets itself, or that would leave it without a result."""
NOT_SEARCHABLE = ("seed", "test", "monitor", "paths", "logger", "hydra", "resume", "dry_run")
"""Keys that are not hyperparameters."""
MACHINE_KEYS = ("hydra", "paths", "logger", "data.root", "data.workers", "trainer.accelerator", "callbacks.progress")
"""Keys that may differ between commands that work on one study."""
MARK = "# Found by seqvise tune"
HEADER = f"# @package _global_\n{MARK}"
"""Start of an experiment file that may be overwritten."""


@dataclass(frozen=True)
class Search:
    """A valid search.

    Attributes:
        best: path of the experiment file for the best trial.
        devices: CUDA devices that the trials share.
        devices_per_trial: number of CUDA devices of each trial.
        environment: additional environment variables of a trial's processes.
    """

    name: str
    options: TuneOptions
    overrides: tuple[str, ...]
    plan: Plan
    folder: Path
    url: str
    best: Path
    devices: tuple[str, ...]
    devices_per_trial: int
    environment: Mapping[str, str]

    def command(self, values: Mapping[str, Value], seed: int | None, folder: Path) -> list[str]:
        """The command that trains with these values; it resumes a run that is already in the folder."""
        start = [sys.executable, "-m", "seqvise.cli.main", "train", "test=false", *self.overrides]
        sampled = [override(key, value) for key, value in values.items()]
        seeded = [] if seed is None else [f"seed={seed}"]
        resumed = ["resume=auto"] if (folder / CONFIG).is_file() else []
        return [*start, *sampled, *seeded, override("hydra.run.dir", str(folder)), *resumed]


def plan_search(args: Sequence[str]) -> Search:
    """The search that the arguments define.

    Raises:
        UserError: Optuna is not installed, or with one sentence for each invalid argument.
    """
    if find_spec("optuna") is None:
        raise UserError("seqvise tune needs Optuna: pip install 'seqvise[tune]'.")
    if flags := [item for item in args if item.startswith("-")]:
        raise UserError(f"{flags[0]}: seqvise tune takes only key=value arguments; for a sweep use seqvise train -m.")
    tune_overrides = [_as_list(item) for item in args if _is_tune_override(item)]
    fixed = tuple(item for item in args if not _is_tune_override(item))
    options, messages = _options(tune_overrides)
    space, space_errors = _space(options, tune_overrides)
    cfg, compose_errors = compose_what_fits(fixed)
    messages += [*space_errors, *compose_errors, *validate(cfg)]
    messages += [*_conflicts(fixed, space, options), *_monitor_errors(cfg)]
    if messages or (messages := _corner_errors(fixed, space)):
        raise UserError(*messages)
    return _search(options, tune_overrides, fixed, space, cfg)


def _search(
    options: TuneOptions,
    tune_overrides: Sequence[str],
    fixed: tuple[str, ...],
    space: Sequence[Parameter],
    cfg: DictConfig,
) -> Search:
    name = options.name or _name(tune_overrides, fixed)
    folder = (Path(cfg.paths.outputs) / "tune" / name).absolute()
    best = folder / "conf" / "experiment" / f"{name}.yaml" if options.best is None else Path(options.best).absolute()
    database = folder / "study.db"
    if messages := [*_best_errors(best, options), *_folder_errors(database)]:
        raise UserError(*messages)
    devices = tuple(cuda_devices() if options.devices is None else map(str, options.devices))
    devices_per_trial = devices_needed(cfg.trainer, None, len(devices), "tune.devices")
    threads = threads_of_job(options.threads, options.jobs, devices_per_trial or cpu_processes(cfg.trainer))
    seeds = None if options.seeds is None else tuple(options.seeds)
    identity = tuple(item for item in fixed if not _is_under(MACHINE_KEYS, key_of(item)))
    plan = Plan(tuple(space), current_metric(cfg.monitor.metric), cfg.monitor.mode, seeds, identity)
    return Search(
        name, options, fixed, plan, folder, options.storage or _url(database), best, devices, devices_per_trial, threads
    )


def _url(database: Path) -> str:
    from sqlalchemy.engine import URL

    return URL.create("sqlite", database=str(database)).render_as_string(hide_password=False)


def _is_tune_override(item: str) -> bool:
    return key_of(item).partition(".")[0] == ROOT


def _as_list(item: str) -> str:
    """``tune.seeds=0,1,2`` as a list; without brackets Hydra would read a sweep."""
    parts = split_override(item)
    is_list = parts.name in ("tune.seeds", "tune.devices") and parts.value[:1].isdigit()
    return f"{item.removesuffix(parts.value)}[{parts.value}]" if is_list else item


def _options(overrides: Sequence[str]) -> tuple[TuneOptions, list[str]]:
    """The `tune` node, and the errors in its overrides."""
    changes = [item for item in overrides if is_space_override(item)]
    cfg, messages = compose_what_fits([item for item in overrides if item not in changes], ROOT)
    unknown = unknown_keys(cast(dict[str, Any], OmegaConf.to_container(cfg)), TuneConfig, {})
    messages += [key.sentence() for key in unknown]
    try:
        options = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(TuneConfig), cfg))
    except OmegaConfBaseException as error:
        raise UserError(*messages, one_line(error)) from error
    assert isinstance(options, TuneConfig)
    is_missing = bool(messages) and not options.tune.space  # its name is wrong, which is reported already
    options.tune.space, space_messages = changed_space(options.tune.space, changes)
    return options.tune, [*messages, *([] if is_missing else space_messages), *option_errors(options)]


def _space(options: TuneOptions, tune_overrides: Sequence[str]) -> tuple[tuple[Parameter, ...], list[str]]:
    if not options.space:
        named = any(key_of(item) == ROOT for item in tune_overrides)  # an unknown name is reported elsewhere
        return (), [] if named else [f"tune=NAME is missing: set a search space, one of {', '.join(choices(ROOT))}."]
    try:
        return read_space(options.space), []
    except UserError as error:
        return (), list(error.messages)


def _conflicts(fixed: Sequence[str], space: Sequence[Parameter], options: TuneOptions) -> Iterator[str]:
    """Errors about fixed overrides of the keys that the search sets, and about keys that cannot be searched."""
    searched = {parameter.key for parameter in space}
    for item in fixed:
        key = key_of(item)
        if _is_under(PER_TRIAL, key):
            yield f"{item}: each trial has its own {key}; remove this override."
        elif key in searched or ("={" in item and any(_is_under([key], name) for name in searched)):
            yield (
                f"{key} is both fixed ({item}) and searched (tune.space): remove one; '~tune.space.{key}' drops it "
                "from the search space."
            )
        elif key == "seed" and options.seeds is not None:
            yield f"seed is fixed ({item}), but tune.seeds sets it for each run: remove one."
    for name in sorted(searched):
        if _is_under(NOT_SEARCHABLE, name):
            hint = "tune.seeds averages over seeds" if name == "seed" else "set it as a fixed override"
            yield f"tune.space.{name} is not a hyperparameter; {hint}."


def _corner_errors(fixed: Sequence[str], space: Sequence[Parameter]) -> list[str]:
    """Errors of the config at both ends of each range and with each choice."""
    errors: dict[str, None] = {}
    for values in corners(tuple(space)):
        cfg, messages = compose_what_fits([*fixed, *(override(*item) for item in values.items())])
        errors |= dict.fromkeys([*messages, *validate(cfg)])
    return [f"With a value of tune.space: {error}" for error in errors]


def _monitor_errors(cfg: DictConfig) -> Iterator[str]:
    metric, mode = current_metric(cfg.monitor.metric), cfg.monitor.mode
    shipped = any(metric in names for names in METRICS.values())
    smaller = is_smaller_better(metric)
    if mode == "max" and smaller:
        yield f"monitor.mode is max, but a smaller {metric} is better: set monitor.mode=min."
    if mode == "min" and shipped and not smaller:
        yield f"monitor.mode is min, but a larger {metric} is better: set monitor.mode=max."


def _best_errors(best: Path, options: TuneOptions) -> Iterator[str]:
    if "experiment" not in best.parent.parts or best.suffix != ".yaml":
        yield (
            f"tune.best is {options.best}, but must be a .yaml file in a folder named experiment, as "
            "conf/experiment/tuned/NAME.yaml."
        )
    elif why := unwritable(best):
        yield f"tune.best={best} cannot be written: {why}."
    elif best.is_file() and not best.read_text(encoding="utf-8", errors="replace").startswith(HEADER):
        yield f"tune.best={best} already exists and was not written by seqvise tune: choose another name."


def _folder_errors(database: Path) -> Iterator[str]:
    if why := unwritable(database):
        yield f"The study's folder {database.parent} cannot be written ({why}): set paths.outputs to another folder."


def _name(tune_overrides: Sequence[str], fixed: Sequence[str]) -> str:
    """Name of a study: its search space, then the experiment or model if one is set."""
    named = {parts.name: parts.value for parts in map(split_override, (*tune_overrides, *fixed))}
    parts = [named.get(ROOT, "search"), named.get("experiment") or named.get("model") or ""]
    return "-".join(part.replace("/", "-") for part in parts if part)


def _is_under(keys: Sequence[str], name: str) -> bool:
    return any(name == key or name.startswith(f"{key}.") for key in keys)
