"""``seqvise generate``: continues prompts with a language model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from seqvise.cli.support.lines import STREAM, reading, windows, writing
from seqvise.cli.support.plain_command import plain_command
from seqvise.decoding.options import GenerationOptions
from seqvise.errors import UserError
from seqvise.options import option_errors

if TYPE_CHECKING:
    from seqvise.inference.language_model import GeneratedText

FORMATS = ("text", "json")


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(GenerationOptions):
    """Options of `seqvise generate`."""

    run: Annotated[Path, "the run directory of a language model, whose best checkpoint is used"]
    prompt: Annotated[tuple[str, ...], "the beginning of the text; repeat it for several; default: none"] = ()
    input: Annotated[str | None, "a file with one prompt per line, or - for standard input, instead of prompt"] = None
    output: Annotated[str, "the output file, or - for standard output"] = STREAM
    format: Annotated[str, "text | json (one object per prompt)"] = "text"
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    batch: Annotated[int, "continuations generated at once"] = 64
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False

    def errors(self) -> Iterator[str]:
        """A message for each invalid value."""
        yield from option_errors(self)
        if self.batch < 1:
            yield f"batch is {self.batch}, but must be at least 1."
        if self.format not in FORMATS:
            yield f"format is '{self.format}', but must be one of {', '.join(FORMATS)}."
        if self.input is not None and self.prompt:
            yield f"prompt and input={self.input} are both set: choose one of them."
        if self.input not in (None, STREAM) and self.input == self.output:
            yield f"input and output are both {self.input}: choose another output file."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise generate`` and returns its exit code."""
    return plain_command("generate", GenerateOptions, generate, argv)


def generate(options: GenerateOptions) -> None:
    """Writes the continuations of each prompt, in order. An empty prompt is the beginning of a document.

    Raises:
        UserError: an option is invalid, a file is missing or cannot be written, the run is not of a language model, or
            no word of a prompt is in the vocabulary.
    """
    if messages := list(options.errors()):
        raise UserError(*messages)
    with (
        nullcontext() if options.input is None else reading(options.input) as source,
        writing(options.output) as target,
    ):
        from seqvise.inference.language_model import load_language_model

        scorer = load_language_model(options.run, options.device, options.batch, options.trust)
        for prompts in _prompts(options, source):
            for prompt, texts in zip(prompts, scorer.generate(prompts, options), strict=True):
                target.write("".join(f"{line}\n" for line in lines(options, prompt, texts)).encode())
            target.flush()


def _prompts(options: GenerateOptions, source: BinaryIO | None) -> Iterator[list[str]]:
    if source is None:
        yield list(options.prompt or ("",))
    else:
        yield from windows(source, "standard input" if options.input == STREAM else str(options.input), options.batch)


def lines(options: GenerateOptions, prompt: str, texts: Sequence[GeneratedText]) -> Iterator[str]:
    """The output lines of one prompt: one for each text, or one JSON object."""
    if options.format == "text":
        yield from (text.text for text in texts)
        return
    continuations: list[dict[str, Any]] = [
        {"text": text.text, "log_prob": text.log_prob, "words": text.words} for text in texts
    ]
    yield json.dumps({"prompt": prompt, "continuations": continuations}, ensure_ascii=False)
