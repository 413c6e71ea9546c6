"""RESULTS.md: for each subject, the best run of each data set with its command, and a link to the page of all runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from results.record import Record, read_object
from results.sweeps import SweepRecord
from results.tables import NOTHING, counted, markdown

FOLDER = "docs/results"
HEAD = """\
# Results

Rendered by `python -m results` from the files in `results/`. `{add}` adds a finished run or sweep.
Each table lists the best run of each data set; the linked pages list all runs, with curves, versions and remarks.
"""
IMAGES_TEXT = """\
The best trained model by hit@1 of held-out images among held-out labels, on the test part: mean ± standard deviation
over draws of the held-out labels. *All labels*: the same images among seen and held-out labels.
"""
Groups = Mapping[str, Sequence[Record]]


@dataclass(frozen=True)
class Subject:
    """A kind of model, with a page of its own.

    Attributes:
        title: The heading.
        page: The name of the page in ``FOLDER``, without ``.md``.
        metric: The metric that chooses the best run.
        sign: 1 if larger values are better, -1 if smaller ones are.
        form: Format of a value.
        text: Introduction of the page of all runs, in Markdown.
    """

    title: str
    page: str
    metric: str
    sign: int
    form: str
    text: str = ""

    def best(self, records: Sequence[Record]) -> Record:
        """The best of several runs; the first one of equals."""
        return max(records, key=lambda record: self._rank(record.number(self.metric)))

    def value(self, record: Record) -> str:
        """The metric of a run as text."""
        value = record.number(self.metric)
        return NOTHING if value is None else format(value, self.form)

    def _rank(self, value: float | None) -> float:
        return float("-inf") if value is None else self.sign * value


COMMON = """\
Metrics belong to the best epoch by the run's monitored metric, the first number of *epochs*. Minutes are those of
training with its validations. The best value of a column is bold. Compare losses only between runs with the same
tokenizer and vocabulary.
"""
TRANSLATION = Subject(
    "Translation",
    "translation",
    "val/bleu",
    1,
    ".2f",
    """\
`val/bleu` and `val/chrf` (sacreBLEU) compare detokenised greedy output with the raw reference. `val/loss` and `val/ppl`
use teacher forcing, `val/loss_free` the model's own predictions; padding does not count. `val/loss_free_padded` is the
loss of fast.ai (2018): own predictions, and padding counts. fast.ai reports the last epoch: compare its value with the
column *last epoch*.

"""
    + COMMON,
)
LANGUAGE_MODELS = Subject(
    "Language models",
    "language-models",
    "val/ppl",
    -1,
    ".2f",
    "`val/ppl` and `val/accuracy` cover every word, line ends included.\n\n" + COMMON,
)
CLASSIFICATION = Subject(
    "Classification",
    "classification",
    "val/accuracy",
    1,
    ".1%",
    "`val/accuracy` is over documents, `val/f1` the mean over labels.\n\n" + COMMON,
)
IMAGES = Subject("Images to words", "images", "test/held_out/hit@1", 1, ".3f")
SWEEPS = Subject("Sweeps", "sweeps", "", 1, "")
SPEED = Subject("Speed", "speed", "", 1, "")
TEXTS = (TRANSLATION, LANGUAGE_MODELS, CLASSIFICATION)


def subject_of(record: Record) -> Subject:
    """The subject of a run on text, by its metrics."""
    if record.number("val/bleu") is not None:
        return TRANSLATION
    if record.number("val/f1") is not None:
        return CLASSIFICATION
    return TRANSLATION if record.number("val/ppl") is None else LANGUAGE_MODELS


def summary(
    texts: Mapping[Subject, Groups], images: Groups, sweeps: Sequence[SweepRecord], speeds: Sequence[Path], add: str
) -> str:
    """The page as Markdown.

    Args:
        texts: The runs of each subject, by data set.
        images: The runs of models from images to words, by data set.
        sweeps: All sweeps.
        speeds: The files of the benchmarks.
        add: The command that adds a run.
    """
    tables = {subject: _text_table(subject, groups) for subject, groups in texts.items() if groups}
    if images:
        tables[IMAGES] = f"{IMAGES_TEXT}\n{_image_table(images)}"
    if sweeps:
        tables[SWEEPS] = _sweep_table(sweeps)
    if speeds:
        tables[SPEED] = _speed_table(speeds)
    contents = "\n".join(f"- [{subject.title}](#{_anchor(subject)})" for subject in tables)
    sections = [
        f"## {subject.title}\n\n{table}\n\n[{subject.title}: all results]({_link(subject)})"
        for subject, table in tables.items()
    ]
    return "\n\n".join(part for part in (HEAD.format(add=add).strip(), contents, *sections) if part) + "\n"


def _anchor(subject: Subject) -> str:
    return subject.title.lower().replace(" ", "-")


def _link(subject: Subject) -> str:
    return f"{FOLDER}/{subject.page}.md"


def _text_table(subject: Subject, groups: Groups) -> str:
    best = {dataset: subject.best(records) for dataset, records in groups.items()}
    rows = [
        [dataset, record.label, subject.value(record), _minutes(record), f"`{record.command}`"]
        for dataset, record in best.items()
    ]
    words = ("data", "experiment", "command")
    return markdown(["data", "experiment", subject.metric, "minutes", "command"], rows, words)


def _minutes(record: Record) -> str:
    seconds = record.number("seconds")
    return NOTHING if seconds is None else f"{seconds / 60:.0f}"


def _image_table(groups: Groups) -> str:
    rows = [[dataset, *cells] for dataset, records in groups.items() for cells in _best_image_cells(records)]
    heads = ["data", "method", "draws", "hit@1", "hit@1, all labels", "command"]
    return markdown(heads, rows, left=("data", "method", "command"))


def _best_image_cells(records: Sequence[Record]) -> Iterator[list[str]]:
    """The cells of the best trained model; none without a trained model."""
    draws: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.seed):
        if record.number(IMAGES.metric) is not None:
            draws.setdefault(record.label, []).append(record)
    if draws:
        label = max(draws, key=lambda name: fmean(_numbers(draws[name], IMAGES.metric)))
        hits, among_all = (
            _mean(_numbers(draws[label], name)) for name in (IMAGES.metric, "test/held_out_among_all/hit@1")
        )
        yield [label, str(len(draws[label])), hits, among_all, f"`{draws[label][0].command}`"]


def _numbers(records: Sequence[Record], name: str) -> list[float]:
    return [value for record in records if (value := record.number(name)) is not None]


def _mean(values: Sequence[float]) -> str:
    if not values:
        return NOTHING
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _sweep_table(sweeps: Sequence[SweepRecord]) -> str:
    rows = [[sweep.name, *_best_of_sweep(sweep), f"`{sweep.command}`"] for sweep in sweeps]
    heads = ["sweep", "jobs", "best configuration", "metric", "value", "command"]
    return markdown(heads, rows, left=("sweep", "best configuration", "metric", "command"))


def _best_of_sweep(sweep: SweepRecord) -> list[str]:
    report = sweep.report
    best = report.rows[0]
    mean = best.results[0].mean
    value = NOTHING if mean is None else f"{mean:.5g}"
    return [str(len(sweep.jobs)), report.label(best), report.metrics[0], value]


def _speed_table(files: Sequence[Path]) -> str:
    return markdown(
        ["benchmark", "processor", "date", "command"],
        [_speed_cells(file.stem, read_object(file)) for file in files],
        left=("benchmark", "processor", "date", "command"),
    )


def _speed_cells(name: str, measured: Mapping[str, Any]) -> list[str]:
    machine = measured["machine"]
    processor = f"{machine['processor']}, {counted(machine['threads'], 'thread')}"
    return [name, processor, measured["date"], f"`{measured['command']}`"]
