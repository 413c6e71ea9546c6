"""``seqvise tune``: searches hyperparameters, one process per trial."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqvise.cli.support.exit_codes import exit_code
from seqvise.cli.support.plain_command import add_working_directory, usage
from seqvise.config.overrides import Experiment, as_experiment, override
from seqvise.config.search_path import conf_folder, own_folder
from seqvise.errors import RunFailedError, UserError
from seqvise.launching.pool import Pool
from seqvise.moved import current_overrides
from seqvise.outputs import write_output
from seqvise.tuning.options import TuneOptions
from seqvise.tuning.plan import MARK, ROOT, Search, plan_search
from seqvise.tuning.study import FOLDER, SEED_SCORES, live_trials, open_study
from seqvise.tuning.table import best_of, trials_grid, values_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

WIDE = 4096
"""Width of tables that are not printed to a terminal, so that no line is wrapped."""
log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise tune`` and returns its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if any(argument in ("-h", "--help") for argument in args):
        print(usage("tune", TuneOptions, f"{ROOT}."))
        print("\ntune=NAME selects a search space of conf/tune. All other overrides are those of seqvise train.")
        return 0

    def command() -> None:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        add_working_directory()
        tune(plan_search(current_overrides(args)))

    return exit_code(command)


def tune(search: Search) -> None:
    """Runs the missing trials, prints all trials and writes the best one as an experiment.

    Raises:
        UserError: the database cannot be reached, or another study uses the name or the folder.
        RunFailedError: the database fails during the search, or no trial has a result.
    """
    from optuna.exceptions import OptunaError

    from seqvise.tuning.driver import Driver

    if search.options.storage is None:
        search.folder.mkdir(parents=True, exist_ok=True)
    study = open_study(search.name, search.url, search.plan, search.options)
    _check_folder(search, study)
    log.info("study %s in %s", search.name, search.folder)
    try:
        Driver(
            study,
            search.plan,
            search.options,
            search.folder,
            search.command,
            Pool(search.options.jobs, search.devices),
            search.devices_per_trial,
            search.environment,
        ).run()
    except (KeyboardInterrupt, SystemExit):
        _show(search, study)
        log.info("Interrupted. Run the same command to resume the search.")
        raise
    except OptunaError as error:
        message = " ".join(str(error).split())
        raise RunFailedError(
            f"The study's database failed ({message}). Run the same command to resume the search."
        ) from error
    _show(search, study)
    _conclude(search, study)


def _check_folder(search: Search, study: Study) -> None:
    """Raises UserError if a new study would use a folder that has trials of another study."""
    existing = sorted(path.name for path in search.folder.glob("[0-9]*") if path.is_dir())
    if existing and not study.get_trials(deepcopy=False):
        raise UserError(
            f"{search.folder} has trials of a study that is not in this database ({', '.join(existing[:5])}): remove "
            "them, or choose another tune.name."
        )


def _show(search: Search, study: Study) -> None:
    from rich.console import Console

    from seqvise.reports.tables import grid_table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    plan, trials = search.plan, live_trials(study)
    console.print(f"{len(trials)} trials, {_order(plan.mode)} {plan.metric} first")
    console.print(grid_table(trials_grid(plan.space, plan.metric, plan.mode, trials)))


def _conclude(search: Search, study: Study) -> None:
    """Writes the best trial as an experiment, and prints the command that trains it."""
    best = best_of(live_trials(study), search.plan.mode)
    if best is None:
        raise RunFailedError(f"No trial has a result. The output of each trial is in {search.folder}/TRIAL/trial.log.")
    seeds = search.plan.seeds
    seeded = {} if seeds is None else {"seed": seeds[0]}
    experiment = as_experiment(search.overrides, {**values_of(search.plan.space, best), **seeded})
    package, _, rest = experiment.text.partition("\n")
    search.best.parent.mkdir(parents=True, exist_ok=True)
    write_output(search.best, "\n".join([package, *_provenance(search, study, best), rest]))
    print(f"best: {search.best}")
    print(f"train it: {shlex.join(_train_command(search.best, experiment))}")
    print(f"compare: {shlex.join(['seqvise', 'report', f'sweep={search.folder}'])}")


def _provenance(search: Search, study: Study, best: FrozenTrial) -> Iterator[str]:
    """Comment lines of the experiment file: the study, the trial and its metric."""
    seeds = search.plan.seeds
    mean = "" if seeds is None else f", the mean over seeds {', '.join(map(str, seeds))}"
    values = [float(value) for value in best.user_attrs.get(SEED_SCORES, [])]
    per_seed = "" if len(values) < 2 else f" ({', '.join(f'{value:.6g}' for value in values)})"
    trial, count = best.user_attrs.get(FOLDER, best.number), len(live_trials(study))
    yield f"{MARK}: trial {trial}, the best of {count} of the study '{search.name}'."
    yield f"# {search.plan.metric} is {best.value:.6g}{mean}{per_seed}."


def _train_command(best: Path, experiment: Experiment) -> list[str]:
    index = len(best.parts) - 1 - best.parts[::-1].index("experiment")
    folder, name = Path(*best.parts[:index]), Path(*best.parts[index + 1 :]).with_suffix("").as_posix()
    known = [tree.resolve() for tree in (own_folder(), conf_folder()) if tree is not None]
    config_dir = [] if folder.resolve() in known else ["--config-dir", str(folder)]
    return ["seqvise", "train", *config_dir, override("experiment", name), *experiment.left]


def _order(mode: str) -> str:
    return {"max": "largest", "min": "smallest"}[mode]
