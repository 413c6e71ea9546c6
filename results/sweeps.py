"""Sweeps as they are kept, and their sections: table, figures, and what mattered, as ``seqvise report`` has them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from results.intake import Folder, code_of, day_of
from results.overrides import FOLDERS, TRAIN, shown
from results.provenance import commit_text, versions_text
from results.record import Kept, rounded
from results.tables import counted
from seqvise.cli.report import heat_keys
from seqvise.errors import UserError
from seqvise.files import atomic_write
from seqvise.reports.environments import FACTS
from seqvise.reports.folder import Drawing, curves_of, drawings_of
from seqvise.reports.grid import as_markdown, importance_grid, results_grid, troubles_grid
from seqvise.reports.importance import Importance, Share, importance
from seqvise.reports.job import Job
from seqvise.reports.report import SweepReport, build_report
from seqvise.reports.sweep import SWEEP, read_sweeps
from seqvise.reports.tables import headline, remarks

FOLDER = "sweeps"
MONITOR = ("monitor.metric", "monitor.mode")
STATUS = ("status", "why", "interrupted")


@dataclass(frozen=True)
class SweepRecord(Kept):
    """A sweep, of each job what its report needs.

    Attributes:
        name: of its section.
        command: what to type to have it again.
        commit: the full hash; None where the jobs were outside a repository.
        dirty: whether the tree had changes that are in no commit; None where that is not known.
        date: the day its first job started, UTC.
        minutes: of all jobs together.
        metrics: those of the table, sorted by the first.
        jobs: the fields of each ``Job``, and ``curve``: pairs of training step and first metric.
        importance: the fields of ``Importance``.
        note: a person's remark.
    """

    told: ClassVar[str] = "sweep"

    name: str
    command: str
    commit: str | None
    dirty: bool | None
    date: str
    minutes: float
    device: str
    processor: str | None
    threads: int | None
    versions: dict[str, str | None]
    metrics: list[str]
    jobs: list[dict[str, Any]]
    importance: dict[str, Any]
    note: str | None = None

    @cached_property
    def report(self) -> SweepReport:
        """Its table."""
        return build_report([_job(self.name, number, kept) for number, kept in enumerate(self.jobs)], self.metrics)

    def matters(self) -> Importance:
        """What mattered, as it was found when the sweep was added: another scikit-learn grows other trees."""
        parameters = {
            name: (Share(*impurity), Share(*alone)) for name, (impurity, alone) in self.importance["parameters"].items()
        }
        return Importance(**{**self.importance, "parameters": parameters})


def is_sweep(path: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (path / SWEEP).is_file()


def read_sweep(path: Path, note: str | None = None) -> SweepRecord:
    """The record of a sweep, failed jobs included.

    Raises:
        UserError: it is not a sweep, has no job that is done, or jobs that are to come or at work.
    """
    report = build_report(read_sweeps([path]))
    if waiting := [job.name for job in report.jobs() if job.state() not in ("ok", "failed")]:
        raise UserError(f"{path} is not a finished sweep: {', '.join(waiting)} is neither done nor failed.")
    done = sorted((job for job in report.jobs() if job.state() == "ok"), key=lambda job: job.status["started"])
    if not done:
        raise UserError(f"{path} has no job that is done.")
    words = [str(word) for word in Folder(path).yaml(SWEEP, "hydra.overrides.task")]
    first = done[0].environment
    curves = curves_of(report)
    return SweepRecord(
        name=path.name,
        command=shlex.join([*TRAIN.split(), "-m", *shown(words)]),
        **code_of(first),
        date=day_of(done[0].status["started"]),
        minutes=round(sum(job.seconds or 0.0 for job in report.jobs()) / 60, 1),
        device=str(first.get("device")),
        processor=first.get("processor"),
        threads=first.get("threads"),
        versions=dict(first.get("versions", {})),
        metrics=list(report.metrics),
        jobs=[_kept(report, job, curves.get(job.path, ())) for job in sorted(report.jobs(), key=_number)],
        importance=_kept_importance(importance(report)),
        note=note,
    )


def file_of(record: SweepRecord, results: Path, name: str | None = None) -> Path:
    """Where a sweep is kept."""
    return results / FOLDER / f"{name or record.name}.json"


def load_sweeps(results: Path) -> list[SweepRecord]:
    """All sweeps, each named as its file.

    Raises:
        UserError: a file is not one.
    """
    return [
        SweepRecord(**{**asdict(SweepRecord.load(path)), "name": path.stem})
        for path in sorted((results / FOLDER).glob("*.json"))
    ]


def draw_sweep(record: SweepRecord, pictures: Path) -> None:
    """Writes the sweep's figures."""
    for drawing in _drawings(record):
        with atomic_write(_picture(record, drawing, pictures)) as file:
            file.write_bytes(drawing.svg())


def pictures_of(record: SweepRecord, pictures: Path) -> list[Path]:
    """The files of the sweep's figures."""
    return [_picture(record, drawing, pictures) for drawing in _drawings(record)]


def sweep_section(record: SweepRecord, pictures: Path, beside: Path) -> str:
    """The sweep's part of the page. beside: the folder that its links start from."""
    report, matters = record.report, record.matters()
    parts = [f"### {record.name}", f"{headline(report)}.", as_markdown(results_grid(report)).strip(), *remarks(report)]
    if report.troubles():
        parts += ["Jobs without a result:", as_markdown(troubles_grid(report)).strip()]
    for drawing in _drawings(record):
        link = _picture(record, drawing, pictures).relative_to(beside).as_posix()
        parts.append(f"![{drawing.title} of the sweep {record.name}]({link})")
    parts.append(matters.verdict)
    parts += [as_markdown(importance_grid(matters)).strip()] if matters.parameters else []
    return "\n\n".join([*parts, *_provenance(record)])


def _provenance(record: SweepRecord) -> Iterator[str]:
    where = record.processor or record.device if record.device == "cpu" else record.device
    threads = [] if record.threads is None else [counted(record.threads, "thread")]
    told = [where, *threads, f"{record.minutes:,.0f} minutes of all jobs together", record.date]
    yield ", ".join([*told, commit_text(record.commit, record.dirty), *versions_text(record.versions)]) + ":"
    yield f"```\n{record.command}\n```"
    if record.note:
        yield " ".join(record.note.split())


def _picture(record: SweepRecord, drawing: Drawing, pictures: Path) -> Path:
    return pictures / f"sweep-{record.name}-{drawing.name}.svg"


def _drawings(record: SweepRecord) -> list[Drawing]:
    report = record.report
    curves = {
        Path(record.name) / str(number): [(int(step), float(value)) for step, value in kept["curve"]]
        for number, kept in enumerate(record.jobs)
    }
    return list(drawings_of(report, record.matters(), heat_keys(None, report.differing.parameters), curves))


def _kept(report: SweepReport, job: Job, curve: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """Of a job what differs and what came out."""
    wanted = {*report.differing.parameters, *report.differing.seeds, *MONITOR}
    settings = {name: _shown(value) for name, value in job.settings.items() if name in wanted}
    environment = {name: job.environment[name] for name in FACTS if name in job.environment}
    return {
        "settings": settings,
        "choices": {name: value for name, value in job.choices.items() if name in wanted},
        "overrides": {name: _shown(value) for name, value in job.overrides.items() if name in wanted},
        "status": {name: _shown(job.status[name]) for name in STATUS if name in job.status},
        "metrics": {name: rounded(value) for name in report.metrics if (value := job.number(name)) is not None},
        "environment": environment,
        "curve": [[step, rounded(value)] for step, value in curve],
    }


def _shown(value: Any) -> Any:
    """A value without this machine's folders."""
    return FOLDERS.sub("", value) if isinstance(value, str) else value


def _kept_importance(found: Importance) -> dict[str, Any]:
    parameters = {
        name: [[rounded(part) for part in share] for share in shares] for name, shares in found.parameters.items()
    }
    if not parameters:
        return {"verdict": found.verdict, "parameters": {}}
    return {
        "verdict": found.verdict,
        "parameters": parameters,
        "together": rounded(found.together),
        "score": rounded(found.score),
    }


def _job(name: str, number: int, kept: dict[str, Any]) -> Job:
    fields = {field: value for field, value in kept.items() if field != "curve"}
    return Job(Path(name) / str(number), **fields)


def _number(job: Job) -> int:
    return int(job.path.name) if job.path.name.isdecimal() else 1 << 62
