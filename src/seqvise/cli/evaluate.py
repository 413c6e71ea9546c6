"""``seqvise evaluate``: scores of a run's translations, by themselves and against another's."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import words_command
from seqvise.cli.translate import PRECISIONS, adapted
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.options import option_errors
from seqvise.outputs import unwritable

if TYPE_CHECKING:
    from seqvise.evaluation.report import EvaluationReport
    from seqvise.inference.translator import Translator

TOKENS = ("own", "moses")


@dataclass(frozen=True)
class EvaluateOptions:
    """What `seqvise evaluate` is told."""

    run: Annotated[Path, "the run directory whose best checkpoint is evaluated"]
    source: Annotated[Path, "a file of one sentence a line, plain or .gz"]
    target: Annotated[Path, "the references, a line for each of the source"]
    translations: Annotated[Path | None, "a file of the run's translations, scored instead of translating"] = None
    against: Annotated[Path | None, "another run directory, or a file of another system's translations"] = None
    beam: Annotated[int, "hypotheses kept at each step; 1 is greedy"] = 1
    tokens: Annotated[str, "own: BLEU also on the run's tokens; moses: and on those of Moses (sacremoses)"] = "own"
    n: Annotated[int, "sentences shown where the two differ most"] = 5
    samples: Annotated[int, "draws of each significance test"] = 1000
    seed: Annotated[int, "of these draws"] = 12345
    json: Annotated[Path | None, "a file for everything as one JSON object"] = None
    plot: Annotated[Path | None, "a PNG file for scores by length and by unknown words"] = None
    source_vectors: Annotated[
        Path | None, "word vectors of the source language, for words that the run's training did not have"
    ] = None
    shortlist: Annotated[Path | None, "a file of seqvise shortlist: the target words that the run can say"] = None
    precision: Annotated[str, "fp32 | bf16 | int8, of the run's products"] = "fp32"
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    batch: Annotated[int, "sentences translated at once"] = 64
    workers: Annotated[int | None, "processes that translate side by side on a CPU; by default one a core"] = None
    trust: Annotated[bool, "load classes of other packages that the run's config names: they run code"] = False

    def problems(self) -> Iterator[str]:
        """Sentences about values that cannot be right."""
        yield from option_errors(self.decoding)
        for name, least in (("n", 0), ("samples", 1), ("seed", 0), ("batch", 1)):
            if getattr(self, name) < least:
                yield f"{name} is {getattr(self, name)}, but must be at least {least}."
        if self.precision not in PRECISIONS:
            yield f"precision is '{self.precision}', but must be one of {', '.join(PRECISIONS)}."
        if self.tokens not in TOKENS:
            yield f"tokens is '{self.tokens}', but must be one of {', '.join(TOKENS)}."
        elif self.tokens == "moses" and find_spec("sacremoses") is None:
            yield (
                "tokens=moses needs sacremoses, which is not installed: `pip install 'seqvise[moses]'`, "
                "or use tokens=own."
            )
        if self.plot is not None and self.plot.suffix != ".png":
            yield f"plot={self.plot} must end in .png."
        for name in ("json", "plot"):
            path = getattr(self, name)
            if path is not None and (reason := unwritable(path)):
                yield f"{name}={path} cannot be written: {reason}."
        yield from self._overwritten()

    @property
    def decoding(self) -> DecodingOptions:
        """How words are searched for."""
        return DecodingOptions(beam=self.beam)

    def files(self) -> dict[str, Path]:
        """The text files that are read, by their keys."""
        given = {"source": self.source, "target": self.target, "translations": self.translations}
        if self.against is not None and not self.against.is_dir():
            given["against"] = self.against
        return {key: path for key, path in given.items() if path is not None}

    def _overwritten(self) -> Iterator[str]:
        seen = {path.resolve(): key for key, path in self.files().items()}
        for name in ("json", "plot"):
            path = getattr(self, name)
            if path is not None and path.resolve() in seen:
                yield f"{name}={path} is also {seen[path.resolve()]}: give the name of another file."
            elif path is not None:
                seen[path.resolve()] = name


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluates as the words say and gives the exit code."""
    return words_command("evaluate", EvaluateOptions, evaluate, argv, logging.WARNING)


def evaluate(options: EvaluateOptions) -> None:
    """Prints scores and comparisons, and writes what is asked for.

    Raises:
        UserError: a wrong option, a missing or uneven file, a run that cannot be read; before anything is translated.
    """
    from seqvise.evaluation.corpus import read_parallel

    if problems := list(options.problems()):
        raise UserError(*problems)
    texts = read_parallel(options.files())

    from rich.console import Console

    from seqvise.evaluation.tables import show

    report = _report(options, texts)
    _write(options, report)
    show(report, Console(highlight=False))


def _report(options: EvaluateOptions, texts: dict[str, list[str]]) -> EvaluationReport:
    from seqvise.evaluation.corpus import measure
    from seqvise.evaluation.report import Sampling, build_report
    from seqvise.evaluation.systems import compares_without_case, file_system, run_system

    run, other = _translators(options)
    corpus = measure((str(options.source), str(options.target)), texts["source"], texts["target"], run.source)
    moses = options.tokens == "moses"
    name = f"{options.run}{f' ({options.translations})' if options.translations else ''}"
    systems = [run_system(run, name, corpus, moses, options.decoding, texts.get("translations"))]
    if other is not None:
        systems.append(run_system(other, str(options.against), corpus, moses, options.decoding, None))
    elif options.against is not None:
        systems.append(file_system(run.target, str(options.against), corpus, moses, texts["against"]))
    lowercase = any(compares_without_case(each) for each in (run, other) if each is not None)
    sampling = Sampling(options.samples, options.seed)
    return build_report(corpus, systems, lowercase, options.beam, sampling, options.n)


def _translators(options: EvaluateOptions) -> tuple[Translator, Translator | None]:
    """The run's and, where that is a run too, the other's; both are read before the first translates.

    Raises:
        UserError: a run cannot be read, or the two are of different languages.
    """
    from seqvise.inference.translator import load_translator

    run = load_translator(options.run, options.device, options.batch, options.workers, options.trust)
    run = adapted(run, options.source_vectors, options.shortlist, options.precision)
    run.check(options.decoding)
    if options.against is None or not options.against.is_dir():
        return run, None
    other = load_translator(options.against, options.device, options.batch, options.workers, options.trust)
    other.check(options.decoding)
    pairs = [f"{each.source.language} to {each.target.language}" for each in (run, other)]
    if pairs[0] != pairs[1]:
        raise UserError(
            f"run={options.run} translates {pairs[0]}, but against={options.against} {pairs[1]}: "
            "compare runs of the same languages."
        )
    return run, other


def _write(options: EvaluateOptions, report: EvaluationReport) -> None:
    from seqvise.outputs import write_output

    if options.json is not None:
        write_output(options.json, json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")
    if options.plot is not None:
        from seqvise.evaluation.figure import groups_figure
        from seqvise.figures import save

        save(groups_figure(report), options.plot)
