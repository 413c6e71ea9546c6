"""What a run's command line tells a reader on another machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

TRAIN = "python train.py"
# Where things lie, and whether the run was gone on with.
NOT_SHOWN = ("paths", "hydra", "resume", "retry")
NAMED_ELSEWHERE = ("experiment", "data", "seed")
# Where and how it ran, as the device column says, and what it showed on the way.
NOT_OF_THE_RESULT = ("trainer", "logger", "callbacks.progress", "callbacks.samples", "data.root", "data.workers")
# ``hypernyms`` changes the vectors of labels, and neither images nor candidates.
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
# The folders of an absolute path; an interpolation's end, a name or a dot before the slash make it a relative one.
FOLDERS = re.compile(r"(?<![\w.\-/}])(?:~[\w.\-]*)?/(?:[^/,\[\]{}'\"]+/)*")

ESCAPED = re.compile(r"\$\\\{(.*?)\\\}")


def shown(overrides: Sequence[str]) -> list[str]:
    """The overrides without this machine's folders: those that only say where things lie are left out.

    Hydra writes an interpolation of a sweep's job with backslashes before its braces; it is shown as it was typed.
    """
    typed = [ESCAPED.sub(r"${\1}", word) for word in overrides]
    return [FOLDERS.sub("", word) for word in typed if _key(word).split(".")[0].split("/")[0] not in NOT_SHOWN]


def command(overrides: Sequence[str], program: str = TRAIN) -> str:
    """What to type to have the run again."""
    return shlex.join([*program.split(), *overrides])


def of_data(overrides: Sequence[str]) -> list[str]:
    """Those that change what the data set holds."""
    return [word for word in overrides if _changes_data(_key(word))]


def of_run(overrides: Sequence[str], experiment: str) -> list[str]:
    """Those that may change the result and are told by neither the data set, the experiment nor the seed."""
    told = {f"model={experiment}", *of_data(overrides)}
    passed = (*NAMED_ELSEWHERE, *NOT_OF_THE_RESULT)
    return [word for word in overrides if word not in told and _key(word) not in passed]


def _changes_data(key: str) -> bool:
    room, _, name = key.partition(".")
    return room == "data" and name != "" and name not in NOT_OF_THE_DATA


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")
