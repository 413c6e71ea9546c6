"""The parts of a run's command line that are meaningful on another machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

TRAIN = "python train.py"
# Paths, and options for resuming.
NOT_SHOWN = ("paths", "hydra", "resume", "retry")
NAMED_ELSEWHERE = ("experiment", "data", "seed")
# Device, which has its own column, and progress output.
NOT_OF_THE_RESULT = ("trainer", "logger", "callbacks.progress", "callbacks.samples", "data.root", "data.workers")
# ``hypernyms`` changes the vectors of labels, but neither images nor candidates.
NOT_OF_THE_DATA = (
    "root",
    "workers",
    "batch_size",
    "batch_tokens",
    "valid_batch_size",
    "bucket",
    "rare_as_unknown",
    "hypernyms",
)
# Folders of an absolute path. A name, a dot or the end of an interpolation before the slash makes a path relative.
FOLDERS = re.compile(r"(?<![\w.\-/}])(?:~[\w.\-]*)?/(?:[^/,\[\]{}'\"]+/)*")

ESCAPED = re.compile(r"\$\\\{(.*?)\\\}")


def shown(overrides: Sequence[str]) -> list[str]:
    """The overrides without folders of this machine; overrides of paths are omitted.

    Hydra escapes the braces of interpolations in jobs of a sweep; they are shown as typed.
    """
    typed = [ESCAPED.sub(r"${\1}", override) for override in overrides]
    return [FOLDERS.sub("", item) for item in typed if _key(item).split(".")[0].split("/")[0] not in NOT_SHOWN]


def command(overrides: Sequence[str], program: str = TRAIN) -> str:
    """The command that reproduces the run."""
    return shlex.join([*program.split(), *overrides])


def of_data(overrides: Sequence[str]) -> list[str]:
    """Overrides that change the content of the data set."""
    return [override for override in overrides if _changes_data(_key(override))]


def of_run(overrides: Sequence[str], experiment: str) -> list[str]:
    """Overrides that may change the result, without those of the data set, the experiment and the seed."""
    shown_elsewhere = {f"model={experiment}", *of_data(overrides)}
    skipped_keys = (*NAMED_ELSEWHERE, *NOT_OF_THE_RESULT)
    return [item for item in overrides if item not in shown_elsewhere and _key(item) not in skipped_keys]


def _changes_data(key: str) -> bool:
    group, _, name = key.partition(".")
    return group == "data" and name != "" and name not in NOT_OF_THE_DATA


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
