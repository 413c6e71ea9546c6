"""Renders RESULTS.md from the files of the results folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from results.former import load_former, remarks, stated
from results.images import HEAD as IMAGES
from results.images import image_section, is_of_images
from results.pictures import alternative, draw, drawable
from results.provenance import run_text
from results.published import Published
from results.record import Record
from results.speed import speed_section
from results.sweeps import FOLDER as SWEEPS
from results.sweeps import draw_sweep, load_sweeps, pictures_of, sweep_section
from results.tables import row_names, run_table
from seqvise.errors import UserError
from seqvise.files import write_text

PUBLISHED, FORMER, BENCHMARKS, PICTURES = "published.json", "former.json", "benchmarks", "pictures"
ADD = "python -m results add RUN_DIRECTORY"
HEAD = """\
# Results

Written by `python -m results` from the files in `results/`; `{add}` adds a finished run or sweep.

`val/lesson_loss` is the measure of fast.ai's lesson 11: the model reads its own output, and padding counts.
`val/free_loss` is the same without padding. `val/loss` and `val/ppl` use teacher forcing and exclude padding.
`val/bleu` and `val/chrf` (sacreBLEU) compare detokenised greedy output with the raw reference. For language models,
`val/ppl` counts every word including line ends, and `val/accuracy` is the share of words predicted correctly. For
classifiers, `val/accuracy` counts documents, and `val/f1` is the mean over labels. Compare losses only between runs
with the same tokenizer and vocabulary. All values are of the best epoch by the monitored metric, the first number in
*epochs*. Minutes are training time including validation. The best value of a column is bold. fast.ai's lesson reports
its last epoch: compare it with the column *last epoch*.
"""
SPEED = """\
## Speed

Measurements of `python -m benchmarks`, one section per machine and session.
"""


def render(results: Path, page: Path) -> None:
    """Writes the page and the pictures, and removes pictures of data sets and sweeps that no longer exist.

    Raises:
        UserError: a file of the results folder is invalid.
    """
    text = page_text(results, page.parent)
    records = [record for record in load_records(results) if not is_of_images(record)]
    groups = by_dataset(records, Published.load(results / PUBLISHED))
    drawn = {dataset: curves for dataset, records in groups.items() if (curves := drawable(records))}
    for dataset, records in drawn.items():
        draw(picture_of(results, dataset), dataset, records)
    kept = {picture_of(results, dataset) for dataset in drawn}
    for sweep in load_sweeps(results):
        draw_sweep(sweep, results / PICTURES)
        kept |= set(pictures_of(sweep, results / PICTURES))
    for stale in set((results / PICTURES).glob("*.svg")) - kept:
        stale.unlink()
    write_text(page, text)


def page_text(results: Path, beside: Path) -> str:
    """Text of the page. beside: the folder that its links are relative to."""
    published = Published.load(results / PUBLISHED)
    loaded = load_records(results)
    groups = by_dataset([record for record in loaded if not is_of_images(record)], published)
    parts = [HEAD.format(add=ADD)]
    parts += [_section(results, beside, dataset, records, published) for dataset, records in groups.items()]
    sweeps = [sweep_section(sweep, results / PICTURES, beside) for sweep in load_sweeps(results)]
    parts += ["## Sweeps", *sweeps] if sweeps else []
    images = by_dataset([record for record in loaded if is_of_images(record)], published)
    if images:
        former = load_former(results / FORMER)
        sections = (image_section(name, records, remarks(records, former)) for name, records in images.items())
        parts += [IMAGES.format(add=ADD), *sections]
    speeds = [speed_section(path) for path in sorted((results / BENCHMARKS).glob("*.json"))]
    if speeds:
        parts += [SPEED, *speeds]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def load_records(results: Path) -> list[Record]:
    """All results with the former defaults that they used; each is in a folder of its experiment.

    Raises:
        UserError: with all files that are not results.
    """
    former = load_former(results / FORMER)
    records: list[Record] = []
    messages: list[str] = []
    for path in sorted(results.glob("*/**/*.json")):
        if path.relative_to(results).parts[0] in (BENCHMARKS, SWEEPS):
            continue
        try:
            records.append(stated(Record.load(path), former))
        except UserError as error:
            messages += error.problems
    if messages:
        raise UserError(*messages)
    return records


def by_dataset(records: Sequence[Record], published: Published) -> dict[str, list[Record]]:
    """The records of each data set: those in the published order first, then the others by name."""
    ordered = sorted(records, key=lambda record: (published.rank(record), record.label, record.seed, record.command))
    names = sorted({record.dataset for record in records})
    return {name: [record for record in ordered if record.dataset == name] for name in names}


def picture_of(results: Path, dataset: str) -> Path:
    """File of the picture of a data set."""
    return results / PICTURES / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', dataset)}.svg"


def _section(results: Path, beside: Path, dataset: str, records: list[Record], published: Published) -> str:
    parts = [f"## {dataset}", run_table(records, published), published.remarks(records)]
    if drawn := drawable(records):
        link = picture_of(results, dataset).relative_to(beside).as_posix()
        parts.append(f"![{alternative(dataset, drawn)}]({link})")
    parts += [run_text(name, record) for name, record in zip(row_names(records), records, strict=True)]
    return "\n\n".join(part for part in parts if part)
