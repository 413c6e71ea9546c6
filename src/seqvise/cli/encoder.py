"""``seqvise encoder``: the encoder of a language model alone, for other runs to start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from seqvise.cli.support.plain_command import words_command


@dataclass(frozen=True, kw_only=True)
class EncoderWords:
    """What `seqvise encoder` is told."""

    run: Annotated[Path, "the run directory of a language model or a classifier"]
    output: Annotated[Path, "a new folder, for model.encoder"]
    trust: Annotated[bool, "load classes of other packages that the run's config names: they run code"] = False


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the encoder and gives the exit code."""
    return words_command("encoder", EncoderWords, keep, argv)


def keep(options: EncoderWords) -> None:
    """Writes the folder, and prints how to use it.

    Raises:
        UserError: the run has no encoder, or the folder is there already.
    """
    from seqvise.runs.load import Run
    from seqvise.training.pretrained_encoder import save_encoder

    numbers = save_encoder(Run.open(options.run, options.trust), options.output)
    print(f"encoder: {numbers:,} numbers; model.encoder={options.output}")
