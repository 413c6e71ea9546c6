"""``seqvise evaluate``: scores translations, language models and classifiers, and compares two systems."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from seqvise.cli.support.plain_command import keys_of, plain_command
from seqvise.cli.translate import PRECISIONS, adapted
from seqvise.corpus.documents.options import LABELS, STREAM
from seqvise.decoding.options import DecodingOptions
from seqvise.errors import UserError
from seqvise.outputs import unwritable

if TYPE_CHECKING:
    from seqvise.evaluation.documents import DocumentReport, DocumentSystem
    from seqvise.evaluation.report import EvaluationReport
    from seqvise.inference.translator import Translator
    from seqvise.runs.load import Run

TOKENIZATIONS = ("own", "moses")
LINE, FILE = "line", "file"
CONTEXTS = (LINE, FILE)
TRANSLATION = "a translation model"
FAMILIES = {STREAM: "a language model", LABELS: "a classifier"}
"""The kind of model by ``data.kind``; any other kind is translation."""
SHARED = {"run", "source", "against", "samples", "seed", "json", "device", "batch", "trust"}
KEYS = {FAMILIES[STREAM]: SHARED | {"context", "scores"}, FAMILIES[LABELS]: SHARED | {"target"}}
"""The keys of each kind of model."""


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `seqvise evaluate`."""

    run: Annotated[Path, "the run directory whose best checkpoint is evaluated"]
    source: Annotated[Path, "the text, one sentence or document per line, plain or .gz"]
    target: Annotated[Path | None, "the reference translations or the labels, one for each line of the source"] = None
    translations: Annotated[Path | None, "the run's translations, scored instead of translating the source"] = None
    against: Annotated[Path | None, "another run directory, or a file with another system's translations or labels"] = (
        None
    )
    beam: Annotated[int, "beam size; 1 is greedy search"] = 1
    against_beam: Annotated[
        int | None,
        "beam size of against; with against=RUN of the same run, this compares two decodings",
        "against.beam",
    ] = None
    context: Annotated[str, "language models: line: each line is read by itself; file: after all lines before it"] = (
        LINE
    )
    scores: Annotated[Path | None, "language models: write the perplexity of each line to this file"] = None
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
        if self.context not in CONTEXTS:
            yield f"context is '{self.context}', but must be one of {', '.join(CONTEXTS)}."
        if self.against_beam is not None and (self.against is None or not self.against.is_dir()):
            yield f"against.beam={self.against_beam} needs a run that translates: set against= to a run directory."
        elif self.against_beam is not None:
            yield from DecodingOptions(beam=self.against_beam).problems("against")
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
        for name in ("json", "plot", "scores"):
            path = getattr(self, name)
            if path is not None and (reason := unwritable(path)):
                yield f"{name}={path} cannot be written: {reason}."
        yield from self._overwritten()

    @property
    def decoding(self) -> DecodingOptions:
        """Options of the beam search."""
        return DecodingOptions(beam=self.beam)

    @property
    def against_decoding(self) -> DecodingOptions:
        """Options of the beam search of ``against``."""
        return DecodingOptions(beam=self.beam if self.against_beam is None else self.against_beam)

    def files(self) -> dict[str, Path]:
        """The input text files by key."""
        files = {"source": self.source, "target": self.target, "translations": self.translations}
        if self.against is not None and not self.against.is_dir():
            files["against"] = self.against
        return {key: path for key, path in files.items() if path is not None}

    def misplaced(self, family: str) -> Iterator[str]:
        """A message for each key that a kind of model does not have, and for a missing target."""
        for name, key in {key.field: key for key in keys_of(EvaluateOptions).values()}.items():
            applies = name in KEYS[family] if family in KEYS else name not in ("context", "scores")
            if not applies and getattr(self, name) != key.default:
                value = getattr(self, name)
                yield f"{key.name}={value} does not apply: {self.run} is the run of {family}. Leave {key.name} out."
        if family == FAMILIES[STREAM] and self.against is not None and not self.against.is_dir():
            yield f"against={self.against} is no folder, but a language model is compared with another run directory."
        if self.target is None and family != FAMILIES[STREAM]:
            needed = "labels" if family == FAMILIES[LABELS] else "references"
            yield f"target=... is missing: the {needed}, one for each line of the source."

    def _overwritten(self) -> Iterator[str]:
        seen = {path.resolve(): key for key, path in self.files().items()}
        for name in ("json", "plot", "scores"):
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
        UserError: an option is invalid or does not apply to the kind of model, a file is missing or has another number
            of lines, or a run cannot be read. All are checked before anything is computed.
    """

    if messages := list(options.errors()):
        raise UserError(*messages)
    from seqvise.evaluation.corpus import read_parallel
    from seqvise.runs.load import IMAGES, Run

    texts = read_parallel(options.files())
    run = Run.open(options.run, options.trust)
    if run.config.data.kind == IMAGES:
        raise UserError(f"{run.path} embeds images, which evaluate does not score: see {run.path / 'metrics.json'}.")
    family = FAMILIES.get(run.config.data.kind, TRANSLATION)
    if messages := list(options.misplaced(family)):
        raise UserError(*messages)
    if family == TRANSLATION:
        _evaluate_translation(options, run, texts)
    else:
        _evaluate_documents(options, run, texts)


def _evaluate_translation(options: EvaluateOptions, run: Run, texts: dict[str, list[str]]) -> None:
    from rich.console import Console

    from seqvise.evaluation.tables import show

    report = _report(options, run, texts)
    _write_json(options, report)
    if options.plot is not None:
        from seqvise.evaluation.figure import groups_figure
        from seqvise.figures import save

        save(groups_figure(report), options.plot)
    show(report, Console(highlight=False))


def _evaluate_documents(options: EvaluateOptions, run: Run, texts: dict[str, list[str]]) -> None:
    from rich.console import Console

    from seqvise.evaluation.documents import build_document_report, line_scores, show_documents
    from seqvise.evaluation.report import Sampling
    from seqvise.outputs import write_output

    measure = _language_models if run.config.data.kind == STREAM else _classifiers
    labels, systems = measure(options, run, texts)
    context = options.context if run.config.data.kind == STREAM else None
    files = {key: str(path) for key, path in options.files().items() if key != "against"}
    sampling = Sampling(options.samples, options.seed)
    report = build_document_report(files, texts["source"], systems, sampling, labels, context)
    _write_json(options, report)
    if options.scores is not None:
        write_output(options.scores, line_scores(systems[0], texts["source"]))
    show_documents(report, Console(highlight=False))


def _language_models(
    options: EvaluateOptions, run: Run, texts: dict[str, list[str]]
) -> tuple[tuple[str, ...], list[DocumentSystem]]:
    """No labels, and the results of the run and of ``against``."""
    from seqvise.evaluation.documents import check_comparable, language_model_system
    from seqvise.inference.language_model import load_language_model

    paths: list[Path | Run] = [run, *([options.against] if options.against else [])]
    scorers = [load_language_model(path, options.device, options.batch, options.trust) for path in paths]
    names = [str(options.run), str(options.against)]
    if options.against is not None:
        check_comparable(scorers[0], scorers[1], names)
    return (), [
        language_model_system(scorer, name, texts["source"], options.context == FILE)
        for scorer, name in zip(scorers, names, strict=False)
    ]


def _classifiers(
    options: EvaluateOptions, run: Run, texts: dict[str, list[str]]
) -> tuple[tuple[str, ...], list[DocumentSystem]]:
    """The labels, and the results of the run and of ``against``."""
    from seqvise.evaluation.documents import classifier_system, label_indices, label_system
    from seqvise.inference.classifier import load_classifier

    against = [options.against] if options.against and options.against.is_dir() else []
    paths: list[str | Path | Run] = [run, *against]
    both = load_classifier(paths, options.device, options.batch, options.trust)  # checks that their labels are the same
    labels, source = both.labels, texts["source"]
    truth = label_indices(f"target={options.target}", texts["target"], source, labels)
    predictions = (
        label_indices(f"against={options.against}", texts["against"], source, labels) if "against" in texts else None
    )
    systems = [
        classifier_system(replace(both, members=(member,)), str(name), source, truth)
        for member, name in zip(both.members, (options.run, options.against), strict=False)
    ]
    if predictions is not None:
        systems.append(label_system(str(options.against), predictions, truth, len(labels)))
    return labels, systems


def _report(options: EvaluateOptions, opened: Run, texts: dict[str, list[str]]) -> EvaluationReport:
    from seqvise.evaluation.corpus import measure
    from seqvise.evaluation.report import Sampling, build_report
    from seqvise.evaluation.systems import compares_without_case, file_system, run_system

    run, other = _translators(options, opened)
    corpus = measure((str(options.source), str(options.target)), texts["source"], texts["target"], run.source)
    moses = options.tokens == "moses"
    name = f"{options.run}{f' ({options.translations})' if options.translations else ''}"
    systems = [run_system(run, name, corpus, moses, options.decoding, texts.get("translations"))]
    if other is not None:
        systems.append(run_system(other, str(options.against), corpus, moses, options.against_decoding, None))
    elif options.against is not None:
        systems.append(file_system(run.target, str(options.against), corpus, moses, texts["against"]))
    lowercase = any(compares_without_case(translator) for translator in (run, other) if translator is not None)
    sampling = Sampling(options.samples, options.seed)
    return build_report(corpus, systems, lowercase, options.beam, sampling, options.n)


def _translators(options: EvaluateOptions, opened: Run) -> tuple[Translator, Translator | None]:
    """The translators of ``run`` and, if it is a run directory, of ``against``; both are loaded before translation.

    Raises:
        UserError: a run cannot be read, or the runs have different languages.
    """
    from seqvise.inference.translator import load_translator

    run = load_translator(opened, options.device, options.batch, options.workers, options.trust)
    run = adapted(run, options.source_vectors, options.shortlist, options.precision)
    run.check(options.decoding)
    if options.against is None or not options.against.is_dir():
        return run, None
    other = load_translator(options.against, options.device, options.batch, options.workers, options.trust)
    other.check(options.against_decoding)
    pairs = [f"{item.source.language} to {item.target.language}" for item in (run, other)]
    if pairs[0] != pairs[1]:
        raise UserError(
            f"run={options.run} translates {pairs[0]}, but against={options.against} {pairs[1]}: "
            "compare runs of the same languages."
        )
    return run, other


def _write_json(options: EvaluateOptions, report: EvaluationReport | DocumentReport) -> None:
    from seqvise.outputs import write_output

    if options.json is not None:
        write_output(options.json, json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")
