"""``seqvise classify``: predicts a label for each line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.lines import STREAM, reading, windows, writing
from seqvise.cli.support.plain_command import plain_command
from seqvise.errors import UserError

if TYPE_CHECKING:
    from seqvise.inference.classifier import ClassificationResult, Classifier

FORMATS = ("text", "json")


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions:
    """Options of `seqvise classify`."""

    run: Annotated[tuple[Path, ...], "the run directory whose best checkpoint is used; several runs are averaged"]
    input: Annotated[str, "a file with one document per line, or - for standard input"] = STREAM
    output: Annotated[str, "the output file, or - for standard output"] = STREAM
    format: Annotated[str, "text | json (one object per line)"] = "text"
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    batch: Annotated[int, "documents per batch"] = 64
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False

    def errors(self) -> Iterator[str]:
        """A message for each invalid value."""
        if self.batch < 1:
            yield f"batch is {self.batch}, but must be at least 1."
        if self.format not in FORMATS:
            yield f"format is '{self.format}', but must be one of {', '.join(FORMATS)}."
        if self.input != STREAM and self.input == self.output:
            yield f"input and output are both {self.input}: choose another output file."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise classify`` and returns its exit code."""
    return plain_command("classify", ClassifyOptions, classify, argv)


def classify(options: ClassifyOptions) -> None:
    """Writes a label for each line, in order. An empty line has no label.

    Raises:
        UserError: an option is invalid, a file or run is missing, the output cannot be written, a line is not UTF-8,
            or the runs cannot be averaged.
    """
    if messages := list(options.errors()):
        raise UserError(*messages)
    with reading(options.input) as source, writing(options.output) as target:
        from seqvise.inference.classifier import load_classifier

        labeller = load_classifier(options.run, options.device, options.batch, options.trust)
        name = "standard input" if options.input == STREAM else options.input
        for texts in windows(source, name, 16 * options.batch):
            for text, prediction in zip(texts, labeller.classify(texts), strict=True):
                target.write(f"{line(options, labeller, text, prediction)}\n".encode())
            target.flush()


def line(options: ClassifyOptions, classifier: Classifier, text: str, prediction: ClassificationResult) -> str:
    """The output line of one document."""
    if options.format == "text":
        return prediction.label or ""
    probabilities = dict(zip(classifier.labels, prediction.probabilities.round(6).tolist(), strict=True))
    return json.dumps({"text": text, "label": prediction.label, "probabilities": probabilities}, ensure_ascii=False)
