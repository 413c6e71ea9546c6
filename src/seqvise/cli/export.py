"""``seqvise export``: exports a run's model for other programs."""

from __future__ import annotations

from collections.abc import Sequence

from seqvise.cli.support.plain_command import plain_command
from seqvise.errors import UserError
from seqvise.export.options import ExportOptions
from seqvise.options import option_errors
from seqvise.outputs import unwritable


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise export`` and returns its exit code."""
    return plain_command("export", ExportOptions, export, argv)


def export(options: ExportOptions) -> None:
    """Creates the folder, and prints its files and its path.

    Raises:
        UserError: an option is invalid, the run or a package is missing, or the model cannot be exported.
    """
    messages = list(option_errors(options))
    if not messages and (reason := unwritable(options.output)):
        messages.append(f"output={options.output} cannot be created: {reason}.")
    if messages:
        raise UserError(*messages)
    from seqvise.export.folder import export_run
    from seqvise.runs.load import Run

    for path in export_run(Run.open(options.run, options.trust), options.output, options.format):
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    print(f"folder: {options.output}")
