"""RESULTS.md and docs/results: rendered from the files of the results folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from results import summary
from results.former import Former, load_former, remarks, stated
from results.images import HEAD as IMAGES_HEAD
from results.images import image_section, is_of_images
from results.pictures import alternative, draw, drawable
from results.provenance import run_text
from results.published import Published
from results.record import Record
from results.speed import speed_section
from results.summary import FOLDER, Subject, subject_of
from results.sweeps import FOLDER as SWEEPS
from results.sweeps import draw_sweep, load_sweeps, pictures_of, sweep_section
from results.tables import row_names, run_table
from seqvise.errors import UserError
from seqvise.files import write_text

PUBLISHED, FORMER, BENCHMARKS, PICTURES = "published.json", "former.json", "benchmarks", "pictures"
SUMMARY = "RESULTS.md"
ADD = "python -m results add RUN_DIRECTORY"
SPEED_TEXT = "Measurements of `python -m benchmarks`, one section for each machine and date."
LINK = re.compile(r"\]\((?!https?:|#)")


def render(results: Path, root: Path) -> list[Path]:
    """Writes the pages and the pictures, removes pictures and pages without results, and returns the pages.

    Args:
        results: The folder of the results, in ``root``.
        root: The folder of ``RESULTS.md``, which the links of its pages start from.

    Raises:
        UserError: a file of the results folder is invalid.
    """
    texts = pages(results, root)
    _draw_all(results)
    for stale in set((root / FOLDER).glob("*.md")) - set(texts):
        stale.unlink()
    for page, text in texts.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        write_text(page, text)
    return list(texts)


def pages(results: Path, root: Path) -> dict[Path, str]:
    """The text of each page: the summary first, then a page for each subject that has results.

    Raises:
        UserError: a file of the results folder is invalid.
    """
    records = load_records(results)
    published = Published.load(results / PUBLISHED)
    texts = _texts(records, published)
    images = by_dataset([record for record in records if is_of_images(record)], published)
    sweeps, speeds = load_sweeps(results), sorted((results / BENCHMARKS).glob("*.json"))
    sections = {
        subject: [_section(results, root, dataset, list(runs), published) for dataset, runs in groups.items()]
        for subject, groups in texts.items()
    }
    sections[summary.IMAGES] = _image_sections(images, load_former(results / FORMER))
    sections[summary.SWEEPS] = [sweep_section(sweep, results / PICTURES, root) for sweep in sweeps]
    sections[summary.SPEED] = [speed_section(path) for path in speeds]
    written = {root / SUMMARY: summary.summary(texts, images, sweeps, speeds, ADD)}
    for subject, parts in sections.items():
        if parts:
            written[root / FOLDER / f"{subject.page}.md"] = _page(subject, parts)
    return written


def _texts(records: Sequence[Record], published: Published) -> dict[Subject, dict[str, list[Record]]]:
    """The runs on text of each subject, by data set."""
    return {
        subject: by_dataset(
            [record for record in records if not is_of_images(record) and subject_of(record) == subject], published
        )
        for subject in summary.TEXTS
    }


def _image_sections(images: Mapping[str, Sequence[Record]], former: Sequence[Former]) -> list[str]:
    return [image_section(name, records, remarks(records, former)) for name, records in images.items()]


def _page(subject: Subject, sections: Sequence[str]) -> str:
    """The page of all runs of a subject, with links that start from its own folder."""
    head = HEADS.get(subject) or f"# {subject.title}\n\n{subject.text}"
    text = "\n\n".join(part.strip("\n") for part in (head, *sections)) + "\n"
    return LINK.sub("](" + "../" * len(Path(FOLDER).parts), text)


HEADS = {summary.IMAGES: IMAGES_HEAD.format(add=ADD), summary.SPEED: f"# Speed\n\n{SPEED_TEXT}"}
"""The introductions of pages whose subject has no text of its own."""


def _draw_all(results: Path) -> None:
    """Draws the curves of each data set and the figures of each sweep, and removes all other pictures."""
    records = [record for record in load_records(results) if not is_of_images(record)]
    kept = set()
    for dataset, runs in by_dataset(records, Published.load(results / PUBLISHED)).items():
        if curves := drawable(runs):
            draw(picture_of(results, dataset), dataset, curves)
            kept.add(picture_of(results, dataset))
    for sweep in load_sweeps(results):
        draw_sweep(sweep, results / PICTURES)
        kept |= set(pictures_of(sweep, results / PICTURES))
    for stale in set((results / PICTURES).glob("*.svg")) - kept:
        stale.unlink()


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
            messages += error.messages
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
