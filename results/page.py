"""RESULTS.md: all of it from the files of the results folder."""

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

`val/lesson_loss` is the lesson's measure: the model reads its own output, and padding counts. `val/free_loss` is the
same over real words, `val/loss` and `val/ppl` over real words with the reference read. `val/bleu` and `val/chrf`
(sacreBLEU) compare detokenised greedy output with the raw reference. Of a language model `val/ppl` counts every word,
line ends included, and `val/accuracy` the words that it foretells; of a classifier `val/accuracy` counts documents, and
`val/f1` is the mean over labels. Losses can be compared only where tokenizer and vocabulary are the same. All are of
the epoch named first in *epochs*, the best one by the run's monitored metric; minutes are of training with its
validations. The best value of a column is bold. fast.ai's lesson reports its last epoch: compare its value with the
column *last epoch*.
"""
SPEED = """\
## Speed

What `python -m benchmarks` has measured, a section for each machine and occasion.
"""


def render(results: Path, page: Path) -> None:
    """Writes the page and the pictures beside the results, and removes pictures that belong to no data set.

    Raises:
        UserError: a file of the results folder is not what it should be.
    """
    text = page_text(results, page.parent)
    records = [record for record in load_records(results) if not is_of_images(record)]
    groups = by_dataset(records, Published.load(results / PUBLISHED))
    drawn = {dataset: found for dataset, records in groups.items() if (found := drawable(records))}
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
    """The page. beside: the folder that its links start from."""
    published = Published.load(results / PUBLISHED)
    found = load_records(results)
    groups = by_dataset([record for record in found if not is_of_images(record)], published)
    parts = [HEAD.format(add=ADD)]
    parts += [_section(results, beside, dataset, records, published) for dataset, records in groups.items()]
    sweeps = [sweep_section(sweep, results / PICTURES, beside) for sweep in load_sweeps(results)]
    parts += ["## Sweeps", *sweeps] if sweeps else []
    images = by_dataset([record for record in found if is_of_images(record)], published)
    if images:
        former = load_former(results / FORMER)
        sections = (image_section(name, records, remarks(records, former)) for name, records in images.items())
        parts += [IMAGES.format(add=ADD), *sections]
    speeds = [speed_section(path) for path in sorted((results / BENCHMARKS).glob("*.json"))]
    if speeds:
        parts += [SPEED, *speeds]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def load_records(results: Path) -> list[Record]:
    """All results, with the former defaults that they ran with; each is in a folder of its experiment.

    Raises:
        UserError: with all files that are no results.
    """
    former = load_former(results / FORMER)
    records: list[Record] = []
    problems: list[str] = []
    for path in sorted(results.glob("*/**/*.json")):
        if path.relative_to(results).parts[0] in (BENCHMARKS, SWEEPS):
            continue
        try:
            records.append(stated(Record.load(path), former))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return records


def by_dataset(records: Sequence[Record], published: Published) -> dict[str, list[Record]]:
    """The records of each data set, in the published order, what is not in it behind by name."""
    ordered = sorted(records, key=lambda record: (published.place(record), record.label, record.seed, record.command))
    names = sorted({record.dataset for record in records})
    return {name: [record for record in ordered if record.dataset == name] for name in names}


def picture_of(results: Path, dataset: str) -> Path:
    """The picture's file."""
    return results / PICTURES / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', dataset)}.svg"


def _section(results: Path, beside: Path, dataset: str, records: list[Record], published: Published) -> str:
    parts = [f"## {dataset}", run_table(records, published), published.remarks(records)]
    if drawn := drawable(records):
        link = picture_of(results, dataset).relative_to(beside).as_posix()
        parts.append(f"![{alternative(dataset, drawn)}]({link})")
    parts += [run_text(name, record) for name, record in zip(row_names(records), records, strict=True)]
    return "\n\n".join(part for part in parts if part)
