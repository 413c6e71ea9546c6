"""``seqvise evaluate``: scores a run's translations, and compares them with those of another system."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import plain_command
from seqvise.cli.translate import PRECISIONS, adapted
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.outputs import unwritable

if TYPE_CHECKING:
    from seqvise.evaluation.report import EvaluationReport
    from seqvise.inference.translator import Translator

TOKENIZATIONS = ("own", "moses")


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `seqvise evaluate`."""

    run: Annotated[Path, "the run directory whose best checkpoint is evaluated"]
    source: Annotated[Path, "the source text, one sentence per line, plain or .gz"]
    target: Annotated[Path, "the references, one line for each source sentence"]
    translations: Annotated[Path | None, "the run's translations, scored instead of translating the source"] = None
    against: Annotated[Path | None, "another run directory, or a file with another system's translations"] = None
    beam: Annotated[int, "beam size; 1 is greedy search"] = 1
    tokens: Annotated[str, "own: BLEU also on the run's tokens; moses: also on Moses tokens (needs sacremoses)"] = "own"
    n: Annotated[int, "number of printed sentences where the two systems differ most"] = 5
    samples: Annotated[int, "resamples of each significance test"] = 1000
    seed: Annotated[int, "seed of the resampling"] = 12345
    json: Annotated[Path | None, "write all results to this file as one JSON object"] = None
    plot: Annotated[Path | None, "write a PNG of the scores by sentence length and by out-of-vocabulary words"] = None
    source_vectors: Annotated[
        Path | None, "word vectors of the source language, for words that the run's training data did not contain"
    ] = None
    shortlist: Annotated[Path | None, "a file of seqvise shortlist that limits the generated words"] = None
    precision: Annotated[str, "fp32 | bf16 | int8: precision of the run's matrix products"] = "fp32"
    device: Annotated[str, "auto | cpu | cuda | cuda:1 | mps"] = "auto"
    batch: Annotated[int, "sentences per batch"] = 64
    workers: Annotated[int | None, "parallel processes on a CPU; by default one per core"] = None
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False

    def errors(self) -> Iterator[str]:
        """A message for each invalid value."""
        yield from self.decoding.problems("")
        for name, minimum in (("n", 0), ("samples", 1), ("seed", 0), ("batch", 1)):
            if getattr(self, name) < minimum:
                yield f"{name} is {getattr(self, name)}, but must be at least {minimum}."
        if self.precision not in PRECISIONS:
            yield f"precision is '{self.precision}', but must be one of {', '.join(PRECISIONS)}."
        if self.tokens not in TOKENIZATIONS:
            yield f"tokens is '{self.tokens}', but must be one of {', '.join(TOKENIZATIONS)}."
        elif self.tokens == "moses" and find_spec("sacremoses") is None:
            yield (
                "tokens=moses needs sacremoses, which is not installed: run `pip install 'seqvise[moses]'`, "
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
        """Options of the beam search."""
        return DecodingOptions(beam=self.beam)

    def files(self) -> dict[str, Path]:
        """The input text files by key."""
        files = {"source": self.source, "target": self.target, "translations": self.translations}
        if self.against is not None and not self.against.is_dir():
            files["against"] = self.against
        return {key: path for key, path in files.items() if path is not None}

    def _overwritten(self) -> Iterator[str]:
        seen = {path.resolve(): key for key, path in self.files().items()}
        for name in ("json", "plot"):
            path = getattr(self, name)
            if path is not None and path.resolve() in seen:
                yield f"{name}={path} is also {seen[path.resolve()]}: choose another file name."
            elif path is not None:
                seen[path.resolve()] = name


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise evaluate`` and returns its exit code."""
    return plain_command("evaluate", EvaluateOptions, evaluate, argv, logging.WARNING)


def evaluate(options: EvaluateOptions) -> None:
    """Prints scores and comparisons, and writes the requested files.

    Raises:
        UserError: an option is invalid, a file is missing or has another number of lines, or a run cannot be read. All
            are checked before translation starts.
    """

    if messages := list(options.errors()):
        raise UserError(*messages)
    from seqvise.evaluation.corpus import read_parallel

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
    lowercase = any(compares_without_case(translator) for translator in (run, other) if translator is not None)
    sampling = Sampling(options.samples, options.seed)
    return build_report(corpus, systems, lowercase, options.beam, sampling, options.n)


def _translators(options: EvaluateOptions) -> tuple[Translator, Translator | None]:
    """The translators of ``run`` and, if it is a run directory, of ``against``; both are loaded before translation.

    Raises:
        UserError: a run cannot be read, or the runs have different languages.
    """
    from seqvise.inference.translator import load_translator

    run = load_translator(options.run, options.device, options.batch, options.workers, options.trust)
    run = adapted(run, options.source_vectors, options.shortlist, options.precision)
    run.check(options.decoding)
    if options.against is None or not options.against.is_dir():
        return run, None
    other = load_translator(options.against, options.device, options.batch, options.workers, options.trust)
    other.check(options.decoding)
    pairs = [f"{item.source.language} to {item.target.language}" for item in (run, other)]
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
