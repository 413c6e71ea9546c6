"""``seqvise average``: averages the weights of several checkpoints of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from seqvise.cli.support.plain_command import plain_command


@dataclass(frozen=True)
class AverageOptions:
    """Options of `seqvise average`."""

    run: Annotated[Path, "the run directory, trained with callbacks.keep_best or callbacks.keep_last above 1"]
    of: Annotated[str, "best | last: which checkpoints are averaged"] = "best"
    output: Annotated[str, "the new run directory; by default averaged-best or averaged-last in the run directory"] = ""
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise average`` and returns its exit code."""
    return plain_command("average", AverageOptions, average, argv)


def average(options: AverageOptions) -> None:
    """Creates the run directory, and prints the averaged checkpoints and the path.

    Raises:
        UserError: an option is invalid, the run does not exist, or it has too few checkpoints.
    """
    from seqvise.runs.average import average_run
    from seqvise.runs.load import Run

    output = Path(options.output or options.run / f"averaged-{options.of}")
    paths = average_run(Run.open(options.run, options.trust), options.of, output)
    print(f"averaged: {', '.join(path.name for path in paths)}")
    print(f"run: {output}")
