"""``seqvise average``: several checkpoints of a run become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from seqvise.cli.support.plain_command import words_command


@dataclass(frozen=True)
class AverageOptions:
    """What `seqvise average` is told."""

    run: Annotated[Path, "the run directory, trained with callbacks.keep_best or callbacks.keep_last above 1"]
    of: Annotated[str, "best | last, the checkpoints averaged"] = "best"
    output: Annotated[str, "the new run directory; by default, averaged-best or averaged-last in the run's"] = ""
    trust: Annotated[bool, "load classes of other packages that the run's config names: they run code"] = False


def main(argv: Sequence[str] | None = None) -> int:
    """Averages as the words say and gives the exit code."""
    return words_command("average", AverageOptions, average, argv)


def average(options: AverageOptions) -> None:
    """Makes the run directory and prints what was averaged, and last where it is.

    Raises:
        UserError: a wrong option, no run, or too few checkpoints.
    """
    from seqvise.runs.average import average_run
    from seqvise.runs.load import Run

    output = Path(options.output or options.run / f"averaged-{options.of}")
    paths = average_run(Run.open(options.run, options.trust), options.of, output)
    print(f"averaged: {', '.join(path.name for path in paths)}")
    print(f"run: {output}")
