"""``seqvise translate``: translates text line by line."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from seqvise.cli.support.lines import STREAM, count_lines, reading, windows, writing
from seqvise.cli.support.plain_command import plain_command
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.outputs import unwritable

if TYPE_CHECKING:
    from seqvise.inference.translator import TranslationResult, Translator
    from seqvise.reports.attention_map import AttentionMap

log = logging.getLogger(__name__)
PRECISIONS = ("fp32", "bf16", "int8")
FORMATS = ("text", "json")
MEANS = ("probs", "log_probs")
MAX_MAPS = 8
"""Maximum number of sentences whose attention is drawn."""
WINDOW = 16
"""Batches per process that are read at once."""


@dataclass(frozen=True, kw_only=True)
class TranslateOptions(DecodingOptions):
    """Options of `seqvise translate`."""

    run: Annotated[tuple[Path, ...], "the run directory whose best checkpoint is used; repeat it for an ensemble"]
    input: Annotated[str, "a file with one sentence per line, or - for standard input"] = STREAM
    output: Annotated[str, "the output file, or - for standard output"] = STREAM
    format: Annotated[str, "text | json (one object per line)"] = "text"
    scores: Annotated[bool, "with format=text: write the score and a tab before each translation"] = False
    attention: Annotated[Path | None, f"write a PNG with the attention of the first {MAX_MAPS} sentences"] = None
    weights: Annotated[bool, "with format=json: write attention weights"] = False
    ensemble: Annotated[str, "probs | log_probs: what an ensemble averages"] = "probs"
    rescore: Annotated[Path | None, "a run that rescores the hypotheses, usually a right-to-left model"] = None
    rescore_weight: Annotated[float, "weight of rescore in the score, from 0 to 1"] = 0.5
    source_vectors: Annotated[
        Path | None, "word vectors of the source language, for words that the training data did not contain"
    ] = None
    shortlist: Annotated[Path | None, "a file of seqvise shortlist that limits the generated words"] = None
    precision: Annotated[str, "fp32 | bf16 | int8: precision of matrix products; lower is faster"] = "fp32"
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    batch: Annotated[int, "sentences per batch"] = 64
    workers: Annotated[int | None, "parallel processes on a CPU; by default one per core"] = None
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False

    def errors(self) -> Iterator[str]:
        """A message for each invalid value."""
        yield from self.problems("")
        if self.batch < 1:
            yield f"batch is {self.batch}, but must be at least 1."
        for name, allowed in (("format", FORMATS), ("ensemble", MEANS), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                yield f"{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        if self.rescore is not None and self.beam == 1 and not self.samples:
            yield f"rescore={self.rescore} needs several hypotheses, but beam is 1: set beam=5."
        if not 0 <= self.rescore_weight <= 1:
            yield f"rescore_weight is {self.rescore_weight}, but must be from 0 to 1."
        if self.scores and self.format == "json":
            yield "scores=true is only for format=text: remove it, because format=json always has scores."
        if self.weights and self.format == "text":
            yield "weights=true is only for format=json: set format=json, or draw the weights with attention=FILE.png."
        if self.attention is not None and self.attention.suffix.lower() != ".png":
            yield f"attention is '{self.attention}', but must be the name of a .png file."
        elif self.attention is not None and (reason := unwritable(self.attention)):
            yield f"attention={self.attention} cannot be written: {reason}."
        if self.input != STREAM and self.input == self.output:
            yield f"input and output are both {self.input}: choose another output file."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise translate`` and returns its exit code."""
    return plain_command("translate", TranslateOptions, translate, argv)


def translate(options: TranslateOptions) -> None:
    """Translates the input line by line, in order. Empty lines stay empty.

    Raises:
        UserError: an option is invalid, a file or run is missing, the output cannot be written, a line is not UTF-8,
            the runs cannot be an ensemble, or the model does not support an option.
    """
    if messages := list(options.errors()):
        raise UserError(*messages)
    with reading(options.input) as source, writing(options.output) as target:
        from seqvise.inference.translator import load_ensemble

        translator = load_ensemble(
            options.run, options.device, options.batch, options.ensemble, options.workers, options.trust
        )
        translator = adapted(translator, options.source_vectors, options.shortlist, options.precision)
        if options.rescore is not None:
            from seqvise.inference.rescoring import with_rescoring

            translator = with_rescoring(translator, options.rescore, options.rescore_weight, options.trust)
        translator.check(options, [key for key in ("attention", "weights") if getattr(options, key)])
        if source.isatty():
            log.info("Enter one sentence per line; end the input with Ctrl-D.")
        _run(translator, options, source, target)


def _run(translator: Translator, options: TranslateOptions, source: BinaryIO, target: BinaryIO) -> None:
    name = "standard input" if options.input == STREAM else options.input
    drawn: list[tuple[int, TranslationResult]] = []
    number = 0
    with _progress(options, source) as count:
        for texts in windows(source, name, WINDOW * options.batch * translator.workers):
            with_attention = options.weights or (options.attention is not None and len(drawn) < MAX_MAPS)
            nbest = translator.translate_nbest(texts, with_attention, options)
            for text, translations in zip(texts, nbest, strict=True):
                number += 1
                target.writelines(f"{line}\n".encode() for line in lines(options, number, text, translations))
                if with_attention and translations[0].attention is not None and len(drawn) < MAX_MAPS:
                    drawn.append((number, translations[0]))
            target.flush()
            count(number)
    if options.attention is not None:
        _draw(options.attention, drawn)


def lines(
    options: TranslateOptions, number: int, text: str, translations: Sequence[TranslationResult]
) -> Iterator[str]:
    """The output lines of one input line.

    Text format: one tab-separated line per translation, with the input's line number if ``nbest`` is above 1, and with
    the score if requested. JSON format: one object.

    Args:
        number: the line number, from 1.
        text: the input line.
        translations: the translations, best first.
    """
    if options.format == "json":
        yield json.dumps(_object(options, text, translations), ensure_ascii=False)
        return
    for translation in translations:
        numbered = [str(number)] if options.nbest > 1 else []
        scored = [f"{translation.score:.4f}"] if options.scores else []
        yield "\t".join([*numbered, *scored, translation.text])


def _object(options: TranslateOptions, text: str, translations: Sequence[TranslationResult]) -> dict[str, Any]:
    return {
        "source": text,
        "source_words": translations[0].source_words,
        "translations": [_translation_object(options, translation) for translation in translations],
    }


def _translation_object(options: TranslateOptions, result: TranslationResult) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "text": result.text,
        "score": result.score,
        "log_prob": result.log_prob,
        "words": result.words,
    }
    if options.weights:
        fields["attention"] = None if result.attention is None else result.attention.astype(float).round(4).tolist()
    return fields


def _draw(path: Path, drawn: list[tuple[int, TranslationResult]]) -> None:
    from seqvise.figures import save
    from seqvise.reports.attention_map import attention_maps

    if not drawn:
        log.info("attention: %s is not written, because all input lines are empty.", path)
        return
    try:
        save(attention_maps([_map(number, translation) for number, translation in drawn]), path)
    except OSError as error:
        raise UserError(f"attention={path} cannot be written: {error.strerror}.") from None
    log.info("attention: %s", path)


def _map(number: int, translation: TranslationResult) -> AttentionMap:
    from seqvise.reports.attention_map import AttentionMap

    assert translation.attention is not None
    return AttentionMap(f"line {number}", translation.attention, translation.source_words, translation.words)


@contextmanager
def _progress(options: TranslateOptions, source: BinaryIO) -> Iterator[Callable[[int], object]]:
    """Shows the number of translated lines, of those of a file, if standard error is a terminal for nothing else."""
    output_in_terminal = options.output == STREAM and sys.stdout.isatty()
    if not sys.stderr.isatty() or output_in_terminal or source.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    total = count_lines(options.input)
    of_total = "" if total is None else f" of {total:,}"
    text = TextColumn("{task.completed:,}{task.fields[of_total]} lines, {task.fields[speed]} lines/s")
    bar = () if total is None else (BarColumn(), TimeRemainingColumn())
    with Progress(SpinnerColumn(), text, TimeElapsedColumn(), *bar, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total, speed="-", of_total=of_total)

        def count(number: int) -> None:
            seconds = progress.tasks[task].elapsed or 1e-9
            progress.update(task, completed=number, speed=f"{number / seconds:,.0f}")

        yield count


def adapted(translator: Translator, source_vectors: Path | None, shortlist: Path | None, precision: str) -> Translator:
    """A translator with a larger source vocabulary, a shortlist of target words, or quantized weights.

    Args:
        translator: not modified.
        source_vectors: word vectors, see ``expand_vocabulary``; None for the run's vocabulary.
        shortlist: a file of ``seqvise shortlist``; None for all words.
        precision: one of ``PRECISIONS``.

    Raises:
        UserError: a file cannot be read or does not fit the run, or the device does not support the precision.
    """
    if source_vectors is not None:
        from seqvise.inference.vocabulary_expansion import expand_vocabulary

        translator, coverage = expand_vocabulary(translator, source_vectors)
        log.info("source_vectors: %s", coverage)
    if shortlist is not None:
        translator = translator.with_shortlist(shortlist)
    return translator if precision == "fp32" else translator.quantized(precision)
