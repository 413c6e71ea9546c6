"""``seqvise export``: a run's model as files for other programs."""

from __future__ import annotations

from collections.abc import Sequence

from seqvise.cli.support.plain_command import words_command
from seqvise.errors import UserError
from seqvise.export.options import ExportOptions
from seqvise.options import option_errors
from seqvise.outputs import unwritable


def main(argv: Sequence[str] | None = None) -> int:
    """Exports as the words say and gives the exit code."""
    return words_command("export", ExportOptions, export, argv)


def export(options: ExportOptions) -> None:
    """Makes the folder, and prints its files and last where it is.

    Raises:
        UserError: a wrong option, no run, a package is missing, or the model cannot be exported.
    """
    problems = list(option_errors(options))
    if not problems and (why := unwritable(options.output)):
        problems.append(f"output={options.output} cannot be made: {why}.")
    if problems:
        raise UserError(*problems)
    from seqvise.export.folder import export_run
    from seqvise.runs.load import Run

    for path in export_run(Run.open(options.run, options.trust), options.output, options.format):
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    print(f"folder: {options.output}")
