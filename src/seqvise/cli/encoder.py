"""``seqvise encoder``: saves the encoder of a language model, for the initial weights of other runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from seqvise.cli.support.plain_command import plain_command


@dataclass(frozen=True, kw_only=True)
class SaveEncoderOptions:
    """Options of `seqvise encoder`."""

    run: Annotated[Path, "the run directory of a language model or a classifier"]
    output: Annotated[Path, "the new folder, to use as model.encoder of another run"]
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise encoder`` and returns its exit code."""
    return plain_command("encoder", SaveEncoderOptions, save, argv)


def save(options: SaveEncoderOptions) -> None:
    """Writes the folder, and prints the override that uses it.

    Raises:
        UserError: the run has no encoder, or the folder exists.
    """
    from seqvise.runs.load import Run
    from seqvise.training.pretrained_encoder import save_encoder

    parameters = save_encoder(Run.open(options.run, options.trust), options.output)
    print(f"encoder: {parameters:,} parameters; model.encoder={options.output}")
