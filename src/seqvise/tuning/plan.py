"""From the words of ``seqvise tune`` to a search that can be run, or all that is wrong with them."""

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
from seqvise.config.overrides import key_of, override
from seqvise.config.search_path import choices
from seqvise.config.validate import METRICS, validate
from seqvise.errors import UserError
from seqvise.launching.pool import cpu_processes, cuda_devices, devices_needed, threads_of_job
from seqvise.options import option_errors
from seqvise.paths import unwritable
from seqvise.reports.metrics import is_smaller_better
from seqvise.runs.directory import CONFIG
from seqvise.tuning.options import TuneConfig, TuneOptions
from seqvise.tuning.space import Parameter, Value, corners, read_space
from seqvise.tuning.study import Plan

ROOT = "tune"
OWN = ("resume", "dry_run", "hydra.run", "hydra.sweep", "hydra.mode", "hydra.launcher", "hydra.sweeper", "paths.run")
"""Keys that each trial has of its own, or that would leave it without a result."""
NEVER = ("seed", "test", "monitor", "paths", "logger", "hydra", "resume", "dry_run")
"""Keys that are no hyperparameters."""
FREE = ("hydra", "paths", "logger", "data.root", "data.workers", "trainer.accelerator", "callbacks.progress")
"""Keys in which commands that work on one study may differ."""
MARK = "# Found by seqvise tune"
BEGINNING = f"# @package _global_\n{MARK}"
"""Of an experiment file that may be written anew."""


@dataclass(frozen=True)
class Search:
    """A command line that can be run.

    Attributes:
        name: the study's.
        options: the `tune` node.
        words: overrides held fixed.
        plan: what the study is.
        folder: the study's.
        url: of its database.
        best: the experiment file.
        devices: CUDA devices that the trials share.
        needs: how many of them each has.
        environment: variables of a trial's processes.
    """

    name: str
    options: TuneOptions
    words: tuple[str, ...]
    plan: Plan
    folder: Path
    url: str
    best: Path
    devices: tuple[str, ...]
    needs: int
    environment: Mapping[str, str]

    def command(self, values: Mapping[str, Value], seed: int | None, folder: Path) -> list[str]:
        """The words that start a run with values; where one lies in the folder, it goes on."""
        start = [sys.executable, "-m", "seqvise.cli.main", "train", "test=false", *self.words]
        found = [override(key, value) for key, value in values.items()]
        seeded = [] if seed is None else [f"seed={seed}"]
        resumed = ["resume=auto"] if (folder / CONFIG).is_file() else []
        return [*start, *found, *seeded, override("hydra.run.dir", str(folder)), *resumed]


def plan_search(words: Sequence[str]) -> Search:
    """The search that the words ask for.

    Raises:
        UserError: Optuna is not installed, or with a sentence for each word that cannot be.
    """
    if find_spec("optuna") is None:
        raise UserError("seqvise tune needs Optuna: pip install 'seqvise[tune]'.")
    if flags := [word for word in words if word.startswith("-")]:
        raise UserError(f"{flags[0]}: seqvise tune takes key=value words only; a sweep is seqvise train -m.")
    own = [_listed(word) for word in words if _is_own(word)]
    fixed = tuple(word for word in words if not _is_own(word))
    options, problems = _options(own)
    space, more = _space(options, own)
    cfg, faults = compose_what_fits(fixed)
    problems += [*more, *faults, *validate(cfg), *_clashes(fixed, space, options), *_monitor_problems(cfg)]
    if problems or (problems := _corner_problems(fixed, space)):
        raise UserError(*problems)
    return _search(options, own, fixed, space, cfg)


def _search(
    options: TuneOptions, own: Sequence[str], fixed: tuple[str, ...], space: Sequence[Parameter], cfg: DictConfig
) -> Search:
    name = options.name or _name(own, fixed)
    folder = (Path(cfg.paths.outputs) / "tune" / name).absolute()
    best = folder / "conf" / "experiment" / f"{name}.yaml" if options.best is None else Path(options.best).absolute()
    database = folder / "study.db"
    if problems := [*_best_problems(best, options), *_folder_problems(database)]:
        raise UserError(*problems)
    devices = tuple(cuda_devices() if options.devices is None else map(str, options.devices))
    needs = devices_needed(cfg.trainer, None, len(devices), "tune.devices")
    threads = threads_of_job(options.threads, options.jobs, needs or cpu_processes(cfg.trainer))
    seeds = None if options.seeds is None else tuple(options.seeds)
    told = tuple(word for word in fixed if not _concerns(FREE, key_of(word)))
    plan = Plan(tuple(space), cfg.monitor.metric, cfg.monitor.mode, seeds, told)
    return Search(name, options, fixed, plan, folder, options.storage or _url(database), best, devices, needs, threads)


def _url(database: Path) -> str:
    from sqlalchemy.engine import URL

    return URL.create("sqlite", database=str(database)).render_as_string(hide_password=False)


def _is_own(word: str) -> bool:
    return key_of(word).partition(".")[0] == ROOT


def _listed(word: str) -> str:
    """``tune.seeds=0,1,2`` as a list, which elsewhere would be a sweep."""
    key, _, value = word.partition("=")
    return f"{key}=[{value}]" if key in ("tune.seeds", "tune.devices") and value[:1].isdigit() else word


def _options(words: Sequence[str]) -> tuple[TuneOptions, list[str]]:
    """The `tune` node, and what is wrong with its words."""
    cfg, problems = compose_what_fits(words, ROOT)
    unknown = unknown_keys(cast(dict[str, Any], OmegaConf.to_container(cfg)), TuneConfig, {})
    problems += [each.sentence() for each in unknown]
    try:
        options = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(TuneConfig), cfg))
    except OmegaConfBaseException as error:
        raise UserError(*problems, one_line(error)) from error
    assert isinstance(options, TuneConfig)
    return options.tune, [*problems, *option_errors(options)]


def _space(options: TuneOptions, own: Sequence[str]) -> tuple[tuple[Parameter, ...], list[str]]:
    if not options.space:
        named = any(key_of(word) == ROOT for word in own)  # a name that does not fit is told by itself
        return (), [] if named else [f"tune=... is missing: what is searched; there are {', '.join(choices(ROOT))}."]
    try:
        return read_space(options.space), []
    except UserError as error:
        return (), list(error.messages)


def _clashes(fixed: Sequence[str], space: Sequence[Parameter], options: TuneOptions) -> Iterator[str]:
    """Words that take away what is the search's own, and keys that cannot be searched."""
    searched = {each.key for each in space}
    for word in fixed:
        key = key_of(word)
        if _concerns(OWN, key):
            yield f"{word}: each trial has its own {key}; leave it out."
        elif key in searched or ("={" in word and any(_concerns([key], name) for name in searched)):
            yield f"{key} is both fixed ({word}) and searched (tune.space): leave one out."
        elif key == "seed" and options.seeds is not None:
            yield f"seed is fixed ({word}), but tune.seeds gives each run its own: leave one out."
    for name in sorted(searched):
        if _concerns(NEVER, name):
            hint = "tune.seeds averages over seeds" if name == "seed" else "hold it fixed"
            yield f"tune.space.{name}: that is no hyperparameter; {hint}."


def _corner_problems(fixed: Sequence[str], space: Sequence[Parameter]) -> list[str]:
    """What is wrong with the config at the ends of each range and with each choice."""
    found: dict[str, None] = {}
    for values in corners(tuple(space)):
        cfg, problems = compose_what_fits([*fixed, *(override(*item) for item in values.items())])
        found |= dict.fromkeys([*problems, *validate(cfg)])
    return [f"With a value of tune.space: {problem}" for problem in found]


def _monitor_problems(cfg: DictConfig) -> Iterator[str]:
    metric, mode = cfg.monitor.metric, cfg.monitor.mode
    shipped = any(metric in names for names in METRICS.values())
    smaller = is_smaller_better(metric)
    if mode == "max" and smaller:
        yield f"monitor.mode is max, but {metric} is better when it is smaller: set monitor.mode=min."
    if mode == "min" and shipped and not smaller:
        yield f"monitor.mode is min, but {metric} is better when it is larger: set monitor.mode=max."


def _best_problems(best: Path, options: TuneOptions) -> Iterator[str]:
    if "experiment" not in best.parent.parts or best.suffix != ".yaml":
        yield (
            f"tune.best is {options.best}, but must be a .yaml file in a folder named experiment, as "
            "conf/experiment/tuned/NAME.yaml."
        )
    elif why := unwritable(best):
        yield f"tune.best={best} cannot be written: {why}."
    elif best.is_file() and not best.read_text(encoding="utf-8", errors="replace").startswith(BEGINNING):
        yield f"tune.best={best} is there already, and was not written by seqvise tune: choose another name."


def _folder_problems(database: Path) -> Iterator[str]:
    if why := unwritable(database):
        yield f"The study's folder, {database.parent}, cannot be written ({why}): set paths.outputs to another."


def _name(own: Sequence[str], fixed: Sequence[str]) -> str:
    """Of the space, and of what it is searched for, as far as the words name them."""
    named = dict(word.split("=", 1) for word in (*own, *fixed))
    parts = [named.get(ROOT, "search"), named.get("experiment") or named.get("model") or ""]
    return "-".join(part.replace("/", "-") for part in parts if part)


def _concerns(keys: Sequence[str], name: str) -> bool:
    return any(name == key or name.startswith(f"{key}.") for key in keys)
