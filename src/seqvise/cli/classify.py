"""``seqvise classify``: a label for each line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.lines import STREAM, reading, windows, writing
from seqvise.cli.support.plain_command import words_command
from seqvise.errors import UserError

if TYPE_CHECKING:
    from seqvise.inference.classifier import Classification, Classifier

FORMATS = ("text", "json")


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions:
    """What `seqvise classify` is told."""

    run: Annotated[tuple[Path, ...], "the run directory whose best checkpoint classifies; of several the mean is taken"]
    input: Annotated[str, "a file of one document a line, or - for standard input"] = STREAM
    output: Annotated[str, "a file to write, or - for standard output"] = STREAM
    format: Annotated[str, "text | json, an object a line"] = "text"
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    batch: Annotated[int, "documents read at once"] = 64
    trust: Annotated[bool, "load classes of other packages that the run's config names: they run code"] = False

    def refusals(self) -> Iterator[str]:
        """Sentences about values that cannot be right."""
        if self.batch < 1:
            yield f"batch is {self.batch}, but at least one document must be read at once."
        if self.format not in FORMATS:
            yield f"format is '{self.format}', but must be one of {', '.join(FORMATS)}."
        if self.input != STREAM and self.input == self.output:
            yield f"input and output are both {self.input}: give the name of another file."


def main(argv: Sequence[str] | None = None) -> int:
    """Classifies as the words say and gives the exit code."""
    return words_command("classify", ClassifyOptions, classify, argv)


def classify(options: ClassifyOptions) -> None:
    """Writes a label for each line: order is kept, and an empty line stays empty.

    Raises:
        UserError: a wrong option, a missing file or run, an output that cannot be written, a line that is not UTF-8, or
            runs that cannot work as one.
    """
    if problems := list(options.refusals()):
        raise UserError(*problems)
    with reading(options.input) as source, writing(options.output) as target:
        from seqvise.inference.classifier import load_classifier

        labeller = load_classifier(options.run, options.device, options.batch, options.trust)
        name = "standard input" if options.input == STREAM else options.input
        for texts in windows(source, name, 16 * options.batch):
            for text, found in zip(texts, labeller.classify(texts), strict=True):
                target.write(f"{line(options, labeller, text, found)}\n".encode())
            target.flush()


def line(options: ClassifyOptions, labeller: Classifier, text: str, found: Classification) -> str:
    """What is written for one document."""
    if options.format == "text":
        return found.label or ""
    chances = dict(zip(labeller.labels, found.probabilities.round(6).tolist(), strict=True))
    return json.dumps({"text": text, "label": found.label, "probabilities": chances}, ensure_ascii=False)
