"""``seqvise translate``: one line out for each line in."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from seqvise.cli.support.lines import STREAM, reading, windows, writing
from seqvise.cli.support.plain_command import words_command
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.options import option_errors
from seqvise.outputs import unwritable

if TYPE_CHECKING:
    from seqvise.inference.translator import TranslationResult, Translator
    from seqvise.reports.attention_map import AttentionMap

log = logging.getLogger(__name__)
PRECISIONS = ("fp32", "bf16", "int8")
FORMATS = ("text", "json")
MEANS = ("probs", "log_probs")
MAPS = 8
"""Sentences whose attention is drawn."""
WINDOW = 16
"""Batches of each process that are read at once."""


@dataclass(frozen=True, kw_only=True)
class TranslateOptions(DecodingOptions):
    """What `seqvise translate` is told."""

    run: Annotated[tuple[Path, ...], "the run directory whose best checkpoint translates; several are an ensemble"]
    input: Annotated[str, "a file of one sentence a line, or - for standard input"] = STREAM
    output: Annotated[str, "a file to write, or - for standard output"] = STREAM
    format: Annotated[str, "text | json, an object a line"] = "text"
    scores: Annotated[bool, "text: the score and a tab before each translation"] = False
    attention: Annotated[Path | None, f"a PNG file for the attention of the first {MAPS} sentences"] = None
    weights: Annotated[bool, "json: attention weights"] = False
    ensemble: Annotated[str, "probs | log_probs: what several runs' mean is of"] = "probs"
    rescore: Annotated[Path | None, "a run that ranks the hypotheses anew, usually a right-to-left one"] = None
    rescore_weight: Annotated[float, "its share in the score, 0 to 1"] = 0.5
    source_vectors: Annotated[
        Path | None, "word vectors of the source language, for words that training did not have"
    ] = None
    shortlist: Annotated[Path | None, "a file of seqvise shortlist: the target words that can be said"] = None
    precision: Annotated[str, "fp32 | bf16 | int8, of products: fewer bits are faster, nearly the same"] = "fp32"
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    batch: Annotated[int, "sentences translated at once"] = 64
    workers: Annotated[int | None, "processes that translate side by side on a CPU; by default one a core"] = None
    trust: Annotated[bool, "load classes of other packages that the run's config names: they run code"] = False

    def refusals(self) -> Iterator[str]:
        """Sentences about values that cannot be right."""
        yield from option_errors(self)
        if self.batch < 1:
            yield f"batch is {self.batch}, but at least one sentence must be translated at once."
        for name, allowed in (("format", FORMATS), ("ensemble", MEANS), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                yield f"{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        if self.rescore is not None and self.beam == 1 and not self.samples:
            yield f"rescore={self.rescore} ranks several hypotheses, but beam is 1: set beam=5."
        if not 0 <= self.rescore_weight <= 1:
            yield f"rescore_weight is {self.rescore_weight}, but is a share from 0 to 1."
        if self.scores and self.format == "json":
            yield "scores=true is for format=text; format=json always has them."
        if self.weights and self.format == "text":
            yield "weights=true is for format=json; attention=FILE.png draws them."
        if self.attention is not None and self.attention.suffix.lower() != ".png":
            yield f"attention is '{self.attention}', but must be the name of a .png file."
        elif self.attention is not None and (reason := unwritable(self.attention)):
            yield f"attention={self.attention} cannot be written: {reason}."
        if self.input != STREAM and self.input == self.output:
            yield f"input and output are both {self.input}: give the name of another file."


def main(argv: Sequence[str] | None = None) -> int:
    """Translates as the words say and gives the exit code."""
    return words_command("translate", TranslateOptions, translate, argv)


def translate(options: TranslateOptions) -> None:
    """Translates the input line by line: order and empty lines are kept.

    Raises:
        UserError: a wrong option, a missing file or run, an output that cannot be written, a line that is not UTF-8,
            runs that cannot work as one, or a model that cannot do what is asked.
    """
    if problems := list(options.refusals()):
        raise UserError(*problems)
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
            log.info("A sentence a line; the end is Ctrl-D.")
        _run(translator, options, source, target)


def _run(translator: Translator, options: TranslateOptions, source: BinaryIO, target: BinaryIO) -> None:
    name = "standard input" if options.input == STREAM else options.input
    drawn: list[tuple[int, TranslationResult]] = []
    number = 0
    with _counting(options, source) as count:
        for texts in windows(source, name, WINDOW * options.batch * translator.workers):
            looks = options.weights or (options.attention is not None and len(drawn) < MAPS)
            found = translator.translate_nbest(texts, looks, options)
            for text, translations in zip(texts, found, strict=True):
                number += 1
                target.writelines(f"{line}\n".encode() for line in lines(options, number, text, translations))
                if looks and translations[0].attention is not None and len(drawn) < MAPS:
                    drawn.append((number, translations[0]))
            target.flush()
            count(number)
    if options.attention is not None:
        _draw(options.attention, drawn)


def lines(
    options: TranslateOptions, number: int, text: str, translations: Sequence[TranslationResult]
) -> Iterator[str]:
    """What is written for one line of the input.

    As text a line for each translation: of several with the number of the input's line before it, and with its score
    where asked for, tabs between. As JSON one object.

    Args:
        number: of the line, from 1.
        text: the line.
        translations: the best first.
    """
    if options.format == "json":
        yield json.dumps(_object(options, text, translations), ensure_ascii=False)
        return
    for one in translations:
        numbered = [str(number)] if options.nbest > 1 else []
        scored = [f"{one.score:.4f}"] if options.scores else []
        yield "\t".join([*numbered, *scored, one.text])


def _object(options: TranslateOptions, text: str, translations: Sequence[TranslationResult]) -> dict[str, Any]:
    found = []
    for one in translations:
        shown: dict[str, Any] = {"text": one.text, "score": one.score, "log_prob": one.log_prob, "words": one.words}
        if options.weights:
            shown["attention"] = None if one.attention is None else one.attention.astype(float).round(4).tolist()
        found.append(shown)
    return {"source": text, "source_words": translations[0].source_words, "translations": found}


def _draw(path: Path, drawn: list[tuple[int, TranslationResult]]) -> None:
    from seqvise.figures import save
    from seqvise.reports.attention_map import attention_maps

    if not drawn:
        log.info("%s is not drawn: no line had a word.", path)
        return
    try:
        save(attention_maps([_map(number, one) for number, one in drawn]), path)
    except OSError as error:
        raise UserError(f"attention={path} cannot be written: {error.strerror}.") from None
    log.info("attention: %s", path)


def _map(number: int, one: TranslationResult) -> AttentionMap:
    from seqvise.reports.attention_map import AttentionMap

    assert one.attention is not None
    return AttentionMap(f"line {number}", one.attention, one.source_words, one.words)


@contextmanager
def _counting(options: TranslateOptions, source: BinaryIO) -> Iterator[Callable[[int], object]]:
    """Shows how many lines are done where a person sees it and nothing else is written there."""
    shared = options.output == STREAM and sys.stdout.isatty()
    if not sys.stderr.isatty() or shared or source.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,} lines, {task.fields[speed]} a second"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None, speed="-")

        def count(number: int) -> None:
            seconds = progress.tasks[task].elapsed or 1e-9
            progress.update(task, completed=number, speed=f"{number / seconds:,.0f}")

        yield count


def adapted(translator: Translator, source_vectors: Path | None, shortlist: Path | None, precision: str) -> Translator:
    """The translator with more source words, which says words of a short-list alone, from weights of fewer bits.

    Args:
        translator: it is not changed.
        source_vectors: word vectors, see ``expand_vocabulary``; None for the run's words.
        shortlist: a file of ``seqvise shortlist``; None for all words.
        precision: of ``PRECISIONS``.

    Raises:
        UserError: a file cannot be read or does not fit the run, or the precision not the device.
    """
    if source_vectors is not None:
        from seqvise.inference.vocabulary_expansion import expand_vocabulary

        translator, found = expand_vocabulary(translator, source_vectors)
        log.info("source_vectors: %s", found)
    if shortlist is not None:
        translator = translator.with_shortlist(shortlist)
    return translator if precision == "fp32" else translator.quantized(precision)
