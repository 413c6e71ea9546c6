"""A command whose words are Hydra overrides: refused before anything is made, then run by Hydra."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqvise.cli.support.exit_codes import exit_code
from seqvise.cli.support.inputs import missing_inputs
from seqvise.cli.support.plain_command import find_own_modules
from seqvise.config.compose import CONFIG_NAME, VERSION_BASE, compose_each, compose_what_fits, without_place
from seqvise.config.distributed_env import common_name, started_from_outside
from seqvise.config.hydra_errors import one_line
from seqvise.config.overrides import split_override
from seqvise.config.schema import register, typed
from seqvise.config.search_path import conf_folder, is_group
from seqvise.config.validate import validate
from seqvise.errors import UserError, sentence
from seqvise.launching.processes import end_with_parent, is_job_process, job_directory
from seqvise.machine import keep_memory
from seqvise.moved import current_override
from seqvise.runs.directory import CONFIG, is_first_process, record_failure
from seqvise.runs.resume import AUTO, check_named

JOBS_CHECKED = 64  # of a sweep, before its first job starts; the others are checked as they start
log = logging.getLogger(__name__)
Task = Callable[[DictConfig, list[str]], Any]
Check = Callable[[DictConfig], list[str]]
Accept = Callable[[DictConfig, Path | None, Sequence[str]], list[str]]
RUN_FOLDER = "hydra.run.dir="


def accept_inputs(cfg: DictConfig, _directory: Path | None, _overrides: Sequence[str]) -> list[str]:
    """A sentence for each file that the config names and that is absent."""
    return missing_inputs(typed(cfg))


def hydra_command(
    task: Task,
    argv: Sequence[str] | None,
    fixed: Sequence[str] = (),
    check: Check = validate,
    accept: Accept = accept_inputs,
    scratch: bool = False,
) -> int:
    """Runs ``task`` once, or once for each job of a sweep, and gives the exit code.

    Args:
        task: called with the config, and with the words that start this program again up to its overrides.
        argv: the command's words; null: those of the process.
        fixed: overrides that make the command what it is; the person's come after.
        check: tells what is wrong with a config.
        accept: tells why a good config is refused where it would run, before Hydra makes any file: called with the
            config, the directory of an existing run (None if it is new or one of a sweep) and the overrides.
        scratch: a dry run works in a temporary folder.
    """
    words = _current(sys.argv[1:] if argv is None else argv)
    start = sys.argv[: max(1, len(sys.argv) - len(words))]

    def command() -> None:
        end_with_parent()
        keep_memory()
        # Of launchers that are packages: their own node of the same name is the schema of ours, as it should be.
        warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")
        find_own_modules()
        dry = refuse(words, check, accept) and scratch
        register()
        added = ["hydra.output_subdir=null"] if joins_others(words) else []
        with ExitStack() as stack:
            last = stack.enter_context(_scratch_folder(words, dry))
            stack.enter_context(_process_words([start[0], *_with_fixed(for_hydra(words), [*fixed, *added], last)]))
            _run(task, start, check)

    return exit_code(command)


def _current(words: Sequence[str]) -> list[str]:
    """The words with the present names of experiments."""
    for word in words:
        if (new := current_override(word)) != word:
            log.warning("%s is now %s; the former name will be removed.", word, new)
    return [current_override(word) for word in words]


def _with_fixed(words: list[str], fixed: Sequence[str], last: Sequence[str] = ()) -> list[str]:
    """The words with overrides before and after the user's; argparse wants all overrides in one place."""
    overrides = get_args_parser().parse_known_args(words)[0].overrides
    place = words.index(overrides[0]) if overrides else len(words)
    end = place + len(overrides)
    return [*words[:place], *fixed, *words[place:end], *last, *words[end:]]


@contextmanager
def _scratch_folder(words: Sequence[str], dry: bool) -> Iterator[list[str]]:
    """The override that sends a dry run, or the dry jobs of a sweep, to a folder that is removed at the end."""
    if not dry or is_job_process():
        yield []
        return
    arguments, _ = get_args_parser().parse_known_args(list(words))
    with TemporaryDirectory(prefix="seqvise-dry-run-") as folder:
        yield [f"hydra.{'sweep' if arguments.multirun else 'run'}.dir={folder}"]


def refuse(words: Sequence[str], check: Check = validate, accept: Accept = accept_inputs) -> bool:
    """Checks the overrides, and tells whether they ask for a dry run.

    Raises:
        UserError: with all that is wrong with the overrides; never where Hydra only shows something.
    """
    arguments, _ = get_args_parser().parse_known_args(list(words))
    if arguments.multirun and (arguments.cfg or arguments.info):
        raise UserError(f"--multirun and --{'cfg' if arguments.cfg else 'info'} do not go together: leave one out.")
    shows = (arguments.help, arguments.hydra_help, arguments.cfg, arguments.info, arguments.shell_completion)
    if any(shows):
        return False
    if not arguments.multirun:
        check_named(arguments.overrides)
    if _is_elsewhere(arguments):
        return "dry_run=true" in arguments.overrides
    if is_job_process():  # the sweep has checked its config, but not what lies in its folder
        return _refuse_job(arguments.overrides, accept)
    jobs = list(_jobs(arguments.overrides)) if arguments.multirun else [arguments.overrides]
    dry = set[bool]()
    for number, (cfg, problems) in enumerate(compose_each(jobs)):
        if problems := [*problems, *check(cfg)]:
            raise UserError(*problems, *_which(jobs, number, problems, check))
        directory = None if arguments.multirun else _existing_run(cfg, arguments.overrides)
        if problems := accept(cfg, directory, jobs[number]):
            raise UserError(*problems)
        dry.add(bool(cfg.dry_run))
    if len(dry) > 1:
        raise UserError("dry_run is true for some jobs of the sweep only, but it must be the same for all.")
    return dry == {True}


def _refuse_job(overrides: Sequence[str], accept: Accept) -> bool:
    """As ``refuse``, for a job that a sweep has started: composing takes time, so only where it resumes a run."""
    folders = [word for word in overrides if word.startswith(RUN_FOLDER)]
    if folders and (Path(_text(folders[-1])) / CONFIG).is_file():
        cfg, _ = compose_what_fits(overrides)
        if problems := accept(cfg, _existing_run(cfg, overrides), overrides):
            raise UserError(*problems)
    return False


def _existing_run(cfg: DictConfig, overrides: Sequence[str]) -> Path | None:
    """The run directory that the overrides name, if it is there; None for a new run."""
    if cfg.resume not in (None, AUTO):
        return Path(cfg.resume).expanduser().absolute()
    folders = [word for word in overrides if word.startswith(RUN_FOLDER)]
    if not folders:
        return None
    try:
        node = OmegaConf.merge(cfg, {"paths": {"run": _text(folders[-1])}})
        folder = Path(node.paths.run).absolute()
    except (HydraException, OmegaConfBaseException):  # named after what only Hydra knows
        return None
    return folder if (folder / CONFIG).is_file() else None


def _text(word: str) -> str:
    """The value of an override, without quotes."""
    return str(OverridesParser.create().parse_override(word).value())


def _which(jobs: Sequence[Sequence[str]], number: int, problems: list[str], check: Check) -> Iterator[str]:
    """Says which job of a sweep has problems, unless the last job has the same ones."""
    if number == 0:
        cfg, others = compose_what_fits(jobs[-1])
        if problems == [*others, *check(cfg)]:
            return
    own = [word for word in jobs[number] if any(word not in other for other in jobs)]
    yield f"That is the job {' '.join(own)} of the sweep."


def _is_elsewhere(arguments: Namespace) -> bool:
    """Another tree or root than ours can only be composed by Hydra itself; the job checks it when it starts."""
    return any((arguments.config_dir, arguments.config_path, arguments.config_name))


def joins_others(words: Sequence[str]) -> bool:
    """Whether this process is a further one of several that were started from outside.

    Raises:
        UserError: they cannot know which folder they share, or are told to run a sweep.
    """
    if not started_from_outside():
        return False
    arguments, _ = get_args_parser().parse_known_args(list(words))
    if arguments.multirun:
        raise UserError(
            "A sweep starts the processes of its jobs itself: start it once, without torchrun or srun, or as "
            "hydra/launcher=slurm."
        )
    told = any(word.startswith(("hydra.run.dir=", "resume=")) and word != "resume=auto" for word in words)
    if not told and common_name() is None:
        raise UserError(
            "Several processes were started together, which have to share one folder: give hydra.run.dir=DIR, or to "
            "torchrun --rdzv-id=NAME."
        )
    return not is_first_process()


def for_hydra(words: Sequence[str]) -> list[str]:
    """The words of a sweep as Hydra can take them.

    Hydra composes a sweep once without the values that are swept. Of ``experiment=a,b model.heads=4`` the last word has
    no place then, unless it is a choice of one value, too.
    """
    arguments, _ = get_args_parser().parse_known_args(list(words))
    if not arguments.multirun or _is_elsewhere(arguments):
        return list(words)
    parsed = {word: OverridesParser.create().parse_override(word) for word in arguments.overrides}
    swept = [word for word, override in parsed.items() if override.is_sweep_override()]
    if not any(is_group(split_override(word).name) for word in swept):
        return list(words)
    lost = [word for word in without_place([word for word in parsed if word not in swept]) if word[:1] != "~"]
    return [_choice_of_one(parsed[word]) if word in lost else word for word in words]


def _choice_of_one(override: Override) -> str:
    return f"{override.get_key_element()}=choice({override.get_value_element_as_str()})"


def _jobs(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The overrides of a sweep's first jobs; ranges that only a sampling sweeper can draw from are left out."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException:
        yield list(overrides)
        return
    alternatives = [_alternatives(override) for override in parsed]
    for job in islice(product(*(words for words in alternatives if words)), JOBS_CHECKED):
        yield list(job)


def _alternatives(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [str(override.input_line)]
    if not override.is_discrete_sweep() or override.value_type == ValueType.GLOB_CHOICE_SWEEP:
        return []
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def _run(task: Task, start: list[str], check: Check) -> None:
    failures: list[Exception] = []

    @wraps(task)
    def job(cfg: DictConfig) -> Any:
        try:
            if problems := check(cfg):
                raise UserError(*problems)
            return task(cfg, start)
        except Exception as error:
            # Of a single job that fails, Hydra would first print all its overrides. A sweep has to see the failure.
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                _record(error)
                log.error("job %s failed: %s", HydraConfig.get().job.num, sentence(error))
                raise
            failures.append(error)

    # Hydra then raises what went wrong instead of printing it and exiting with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    decorate: Any = hydra.main(version_base=VERSION_BASE, config_path=str(conf_folder()), config_name=CONFIG_NAME)
    try:
        decorate(job)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(one_line(error)) from error
    except OSError as error:
        raise UserError(f"The run's folder cannot be made ({error}): set paths.outputs to another.") from error
    for failure in failures:
        raise failure


def _record(error: Exception) -> None:
    """Writes why a job failed, if it did so before there was a run to say it."""
    folder = job_directory()
    if not (folder / CONFIG).exists():
        record_failure(folder, str(error))


@contextmanager
def _process_words(words: list[str]) -> Iterator[None]:
    """Hydra reads the words of the process and of nothing else."""
    before, sys.argv = sys.argv, words
    try:
        yield
    finally:
        sys.argv = before
