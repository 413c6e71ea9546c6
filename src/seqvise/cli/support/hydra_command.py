"""Commands with Hydra overrides: the config is validated before any file is created, then Hydra runs the command."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
from seqvise.cli.support.plain_command import add_working_directory
from seqvise.config.compose import CONFIG_NAME, VERSION_BASE, compose_each, compose_what_fits, without_place
from seqvise.config.distributed_env import common_name, started_from_outside
from seqvise.config.hydra_errors import no_choice, one_line
from seqvise.config.overrides import split_override
from seqvise.config.schema import register, typed
from seqvise.config.search_path import choices, conf_folder, is_group
from seqvise.config.validate import validate
from seqvise.errors import UserError, sentence
from seqvise.launching.parent import end_with_parent, is_job_process
from seqvise.launching.processes import job_directory
from seqvise.machine import keep_memory
from seqvise.moved import current_overrides
from seqvise.runs.devices import missing_devices
from seqvise.runs.directory import CONFIG, is_first_process, record_failure
from seqvise.runs.resume import AUTO, check_resume

JOBS_CHECKED = 64  # jobs of a sweep checked before the first starts; the others are checked when they start
log = logging.getLogger(__name__)
Task = Callable[[DictConfig, list[str]], Any]
Check = Callable[[DictConfig], list[str]]
Accept = Callable[[DictConfig, Path | None, Sequence[str]], list[str]]
RUN_FOLDER = "hydra.run.dir="


def accept_inputs(cfg: DictConfig, _directory: Path | None, _overrides: Sequence[str]) -> list[str]:
    """A message for each file that the config names and that does not exist."""
    return missing_inputs(typed(cfg))


def hydra_command(
    task: Task,
    argv: Sequence[str] | None,
    fixed: Sequence[str] = (),
    check: Check = validate,
    accept: Accept = accept_inputs,
    scratch: bool = False,
    trains: bool = False,
) -> int:
    """Runs ``task`` once, or once for each job of a sweep, and returns the exit code.

    Args:
        task: called with the config and the command line that starts this program, without its overrides.
        argv: the command's arguments; None: those of the process.
        fixed: overrides of the command itself; the user's come after them.
        check: returns the errors of a config.
        accept: returns why a valid config cannot run, before Hydra creates any file. It is called with the config,
            the directory of an existing run (None for a new run or a sweep) and the overrides.
        scratch: whether a dry run uses a temporary folder.
        trains: whether the command trains in this process, unless it starts a sweep.
    """
    args = current_overrides(sys.argv[1:] if argv is None else argv)
    start = sys.argv[: max(1, len(sys.argv) - len(args))]

    def command() -> None:
        end_with_parent()
        keep_memory()
        # Launcher plugins register a schema under the name of our config, which validates it as intended.
        warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")
        add_working_directory()
        dry = validate_overrides(args, check, accept, trains) and scratch
        register()
        added = ["hydra.output_subdir=null"] if joins_running_job(args) else []
        with ExitStack() as stack:
            last = stack.enter_context(_scratch_folder(args, dry))
            stack.enter_context(_process_argv([start[0], *_with_fixed(for_hydra(args), [*fixed, *added], last)]))
            _run(task, start, check)

    return exit_code(command)


def _with_fixed(argv: list[str], fixed: Sequence[str], last: Sequence[str] = ()) -> list[str]:
    """The arguments with overrides added before and after the user's; argparse needs all overrides together."""
    overrides = get_args_parser().parse_known_args(argv)[0].overrides
    start = argv.index(overrides[0]) if overrides else len(argv)
    end = start + len(overrides)
    return [*argv[:start], *fixed, *argv[start:end], *last, *argv[end:]]


@contextmanager
def _scratch_folder(argv: Sequence[str], dry: bool) -> Iterator[list[str]]:
    """Overrides that run a dry run, or the dry jobs of a sweep, in a temporary folder."""
    if not dry or is_job_process():
        yield []
        return
    arguments, _ = get_args_parser().parse_known_args(list(argv))
    with TemporaryDirectory(prefix="seqvise-dry-run-") as folder:
        yield [f"hydra.{'sweep' if arguments.multirun else 'run'}.dir={folder}"]


def validate_overrides(
    argv: Sequence[str], check: Check = validate, accept: Accept = accept_inputs, trains: bool = False
) -> bool:
    """Validates the overrides, and returns whether they set a dry run. Arguments as those of ``hydra_command``.

    Raises:
        UserError: the overrides are invalid; the error has all messages. Not raised if Hydra only prints information.
    """
    arguments, unknown = get_args_parser().parse_known_args(list(argv))
    if unknown:
        raise UserError(*_as_overrides(argv, unknown))
    if arguments.multirun and (arguments.cfg or arguments.info):
        raise UserError(f"--multirun and --{'cfg' if arguments.cfg else 'info'} cannot be combined: remove one.")
    prints_only = (arguments.help, arguments.hydra_help, arguments.cfg, arguments.info, arguments.shell_completion)
    if any(prints_only):
        return False
    if arguments.multirun:
        _check_ranges(arguments.overrides)
    else:
        check_resume(arguments.overrides)
    if _uses_other_configs(arguments):
        return "dry_run=true" in arguments.overrides
    if is_job_process():  # the sweep has checked the config, but not the content of the job's folder
        return _validate_job(arguments.overrides, accept)
    jobs = list(_jobs(arguments.overrides)) if arguments.multirun else [arguments.overrides]
    dry, wrong = set[bool](), _wrong_choices(arguments.overrides) if arguments.multirun else []
    for number, (cfg, messages) in enumerate(compose_each(jobs)):
        if messages := [*messages, *check(cfg)]:
            further = [message for message in wrong if message not in messages]
            raise UserError(*messages, *further, *_failing_job(jobs, number, messages, check))
        directory = None if arguments.multirun else _existing_run(cfg, arguments.overrides)
        messages = accept(cfg, directory, jobs[number])
        if trains and not arguments.multirun:  # the jobs of a sweep may run on other machines
            messages = [*messages, *_missing_devices(cfg, directory, arguments.overrides)]
        if messages:
            raise UserError(*messages)
        dry.add(bool(cfg.dry_run))
    if len(dry) > 1:
        raise UserError("dry_run is true for some jobs of the sweep only, but must be the same for all.")
    return dry == {True}


def _missing_devices(cfg: DictConfig, directory: Path | None, overrides: Sequence[str]) -> list[str]:
    """A message if a new run needs devices that this machine lacks. A resumed run has the devices of its own config."""
    config = typed(cfg)
    return [] if config.dry_run or directory is not None else missing_devices(config.trainer, overrides)


def _as_overrides(argv: Sequence[str], unknown: Sequence[str]) -> Iterator[str]:
    """A sentence for each option that does not exist, with the override that may be meant."""
    for option in unknown:
        name, sign, value = option.lstrip("-").partition("=")
        following = argv[argv.index(option) + 1 :][:1]
        if not sign and following and following[0][:1] != "-" and "=" not in following[0]:
            value = following[0]
        _, errors = compose_what_fits([f"{name}={value or 'VALUE'}"])
        hint = errors[0] if errors else f"write it without dashes: {name}={value or 'VALUE'}."
        yield f"{option}: there is no such option; settings are written key=value. {hint}"


def _validate_job(overrides: Sequence[str], accept: Accept) -> bool:
    """As ``validate_overrides``, for a job of a sweep: only if it resumes a run, because composing is slow."""
    folders = [override for override in overrides if override.startswith(RUN_FOLDER)]
    if folders and (Path(_value(folders[-1])) / CONFIG).is_file():
        cfg, _ = compose_what_fits(overrides)
        if messages := accept(cfg, _existing_run(cfg, overrides), overrides):
            raise UserError(*messages)
    return False


def _existing_run(cfg: DictConfig, overrides: Sequence[str]) -> Path | None:
    """The run directory that the overrides name, if it exists; None for a new run."""
    if cfg.resume not in (None, AUTO):
        return Path(cfg.resume).expanduser().absolute()
    folders = [override for override in overrides if override.startswith(RUN_FOLDER)]
    if not folders:
        return None
    try:
        node = OmegaConf.merge(cfg, {"paths": {"run": _value(folders[-1])}})
        folder = Path(node.paths.run).absolute()
    except (HydraException, OmegaConfBaseException):  # its name uses values that only Hydra resolves
        return None
    return folder if (folder / CONFIG).is_file() else None


def _value(override: str) -> str:
    """The value of an override, without quotes."""
    return str(OverridesParser.create().parse_override(override).value())


def _failing_job(jobs: Sequence[Sequence[str]], number: int, messages: list[str], check: Check) -> Iterator[str]:
    """Names the job of a sweep that has errors, unless the last job has the same errors."""
    if number == 0:
        cfg, last_messages = compose_what_fits(jobs[-1])
        if messages == [*last_messages, *check(cfg)]:
            return
    varied = [override for override in jobs[number] if any(override not in other for other in jobs)]
    yield f"This is job {' '.join(varied)} of the sweep."


def _uses_other_configs(arguments: Namespace) -> bool:
    """Whether another config folder or root is used: only Hydra can compose it, and the job validates it."""
    return any((arguments.config_dir, arguments.config_path, arguments.config_name))


def joins_running_job(argv: Sequence[str]) -> bool:
    """Whether this process has rank > 0 among processes started by an external launcher such as torchrun.

    Raises:
        UserError: no run directory is set that all processes share, or the arguments start a sweep.
    """
    if not started_from_outside():
        return False
    arguments, _ = get_args_parser().parse_known_args(list(argv))
    if arguments.multirun:
        raise UserError(
            "A sweep starts the processes of its jobs itself: start it once, without torchrun or srun, or set "
            "hydra/launcher=slurm."
        )
    names_folder = any(arg.startswith(("hydra.run.dir=", "resume=")) and arg != "resume=auto" for arg in argv)
    if not names_folder and common_name() is None:
        raise UserError(
            "Several processes were started together and must share one run directory: set hydra.run.dir=DIR, or pass "
            "--rdzv-id=NAME to torchrun."
        )
    return not is_first_process()


def for_hydra(argv: Sequence[str]) -> list[str]:
    """The arguments of a sweep in a form that Hydra accepts.

    Hydra composes a sweep once without the swept values. In ``experiment=a,b model.heads=4`` the second override then
    sets a key that does not exist, so it is passed as a sweep over one value.
    """
    arguments, _ = get_args_parser().parse_known_args(list(argv))
    if not arguments.multirun or _uses_other_configs(arguments):
        return list(argv)
    parsed = {text: OverridesParser.create().parse_override(text) for text in arguments.overrides}
    swept = [text for text, override in parsed.items() if override.is_sweep_override()]
    if not any(is_group(text.partition("=")[0]) for text in swept):
        return list(argv)
    unmatched = [text for text in without_place([text for text in parsed if text not in swept]) if text[:1] != "~"]
    return [_single_choice(parsed[text]) if text in unmatched else text for text in argv]


def _single_choice(override: Override) -> str:
    return f"{override.get_key_element()}=choice({override.get_value_element_as_str()})"


def _jobs(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The overrides of a sweep's first jobs, without intervals that only a sampling sweeper can draw from."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException:
        yield list(overrides)
        return
    alternatives = [_alternatives(override) for override in parsed]
    for job in islice(product(*(values for values in alternatives if values)), JOBS_CHECKED):
        yield list(job)


def _check_ranges(overrides: Sequence[str]) -> None:
    """Raises UserError for a range such as ``interval(0,1)``, which a grid cannot enumerate."""
    if any(split_override(text).name == "hydra/sweeper" for text in overrides):
        return
    with suppress(HydraException):
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        ranges = [item for item in parsed if item.is_sweep_override() and not item.is_discrete_sweep()]
        messages = [
            f"{item.input_line}: a sweep runs a job for each of several values, and a range has none: list them, such "
            f"as {item.key_or_group}=A,B, or search the range with seqvise tune."
            for item in ranges
        ]
        if messages:
            raise UserError(*messages)


def _wrong_choices(overrides: Sequence[str]) -> list[str]:
    """A sentence for each swept choice of a group that does not exist."""
    parts = [split_override(text) for text in overrides]
    swept = [(item.name, item.value.split(",")) for item in parts if "," in item.value and is_group(item.name)]
    return [no_choice(f"{name}={value}") for name, values in swept for value in values if value not in choices(name)]


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
            if messages := check(cfg):
                raise UserError(*messages)
            return task(cfg, start)
        except Exception as error:
            # Hydra prints all overrides of a single job that fails, so the error is raised later. A sweep must see it.
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                _record(error)
                log.error("job %s failed: %s", HydraConfig.get().job.num, sentence(error))
                raise
            failures.append(error)

    # With this variable Hydra raises errors instead of printing them and exiting with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    decorate: Any = hydra.main(version_base=VERSION_BASE, config_path=str(conf_folder()), config_name=CONFIG_NAME)
    try:
        decorate(job)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(one_line(error)) from error
    except BrokenPipeError:  # the reader of --help or --cfg has closed the pipe
        raise
    except OSError as error:
        raise UserError(f"The run directory cannot be created ({error}): change paths.outputs.") from error
    for failure in failures:
        raise failure


def _record(error: Exception) -> None:
    """Records why a job failed, if it failed before its run directory had a config."""
    folder = job_directory()
    if not (folder / CONFIG).exists():
        record_failure(folder, str(error))


@contextmanager
def _process_argv(argv: list[str]) -> Iterator[None]:
    """Replaces ``sys.argv``, the only arguments that Hydra reads."""
    previous, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = previous
