"""``seqvise tune``: a search for good hyperparameters, one process a trial."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqvise.cli.support.exit_codes import exit_code
from seqvise.cli.support.plain_command import find_own_modules, usage
from seqvise.config.overrides import Experiment, as_experiment, override
from seqvise.config.search_path import conf_folder, own_folder
from seqvise.errors import RunFailedError, UserError
from seqvise.launching.pool import Pool
from seqvise.outputs import write_output
from seqvise.tuning.options import TuneOptions
from seqvise.tuning.plan import MARK, ROOT, Search, plan_search
from seqvise.tuning.study import FOLDER, SEED_SCORES, live_trials, open_study
from seqvise.tuning.table import best_of, trials_grid, values_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

WIDE = 4096
"""Columns of a table that is not read in a terminal, so that no line of it is folded."""
log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Searches as the words say and gives the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if any(word in ("-h", "--help") for word in words):
        print(usage("tune", TuneOptions, f"{ROOT}."))
        print("\ntune=NAME takes a search space of conf/tune; all other words are those of seqvise train, held fixed.")
        return 0

    def command() -> None:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        find_own_modules()
        tune(plan_search(words))

    return exit_code(command)


def tune(search: Search) -> None:
    """Runs the trials that are missing, prints all of them and writes the best.

    Raises:
        UserError: the database cannot be reached, or another study has the name or the folder.
        RunFailedError: the database fails meanwhile, or no trial has a result.
    """
    from optuna.exceptions import OptunaError

    from seqvise.tuning.driver import Driver

    if search.options.storage is None:
        search.folder.mkdir(parents=True, exist_ok=True)
    study = open_study(search.name, search.url, search.plan, search.options)
    _refuse_others(search, study)
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
        log.info("Stopped; the same command goes on.")
        raise
    except OptunaError as error:
        told = " ".join(str(error).split())
        raise RunFailedError(f"The study's database failed ({told}); the same command goes on.") from error
    _show(search, study)
    _conclude(search, study)


def _refuse_others(search: Search, study: Study) -> None:
    """Refuses to begin a study in a folder that has trials of another."""
    there = sorted(path.name for path in search.folder.glob("[0-9]*") if path.is_dir())
    if there and not study.get_trials(deepcopy=False):
        raise UserError(
            f"{search.folder} holds trials of a study that is not in this database ({', '.join(there[:5])}): remove "
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
    """Writes the best trial as an experiment, and says how to train it."""
    best = best_of(live_trials(study), search.plan.mode)
    if best is None:
        raise RunFailedError(f"No trial has a result: what each printed is in {search.folder}/TRIAL/trial.log.")
    seeds = search.plan.seeds
    seeded = {} if seeds is None else {"seed": seeds[0]}
    found = as_experiment(search.overrides, {**values_of(search.plan.space, best), **seeded})
    package, _, rest = found.text.partition("\n")
    search.best.parent.mkdir(parents=True, exist_ok=True)
    write_output(search.best, "\n".join([package, *_provenance(search, study, best), rest]))
    print(f"best: {search.best}")
    print(f"train it: {shlex.join(_train_words(search.best, found))}")
    print(f"compare: {shlex.join(['seqvise', 'report', f'sweep={search.folder}'])}")


def _provenance(search: Search, study: Study, best: FrozenTrial) -> Iterator[str]:
    """Comments: what the file is, and where its numbers are from."""
    seeds = search.plan.seeds
    mean = "" if seeds is None else f", the mean over seeds {', '.join(map(str, seeds))}"
    values = [float(value) for value in best.user_attrs.get(SEED_SCORES, [])]
    each = "" if len(values) < 2 else f" ({', '.join(f'{value:.6g}' for value in values)})"
    trial, count = best.user_attrs.get(FOLDER, best.number), len(live_trials(study))
    yield f"{MARK}: trial {trial}, the best of {count} of the study '{search.name}'."
    yield f"# {search.plan.metric} is {best.value:.6g}{mean}{each}."


def _train_words(best: Path, found: Experiment) -> list[str]:
    place = len(best.parts) - 1 - best.parts[::-1].index("experiment")
    folder, name = Path(*best.parts[:place]), Path(*best.parts[place + 1 :]).with_suffix("").as_posix()
    known = [tree.resolve() for tree in (own_folder(), conf_folder()) if tree is not None]
    where = [] if folder.resolve() in known else ["--config-dir", str(folder)]
    return ["seqvise", "train", *where, override("experiment", name), *found.left]


def _order(mode: str) -> str:
    return {"max": "largest", "min": "smallest"}[mode]
