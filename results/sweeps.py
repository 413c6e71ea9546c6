"""Stored sweeps and their sections: table, figures and importance, as in ``seqvise report``."""

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
from results.record import Stored, round_digits
from results.tables import counted
from seqvise.cli.report import heat_keys
from seqvise.errors import UserError
from seqvise.files import atomic_write
from seqvise.moved import current_metric, current_metrics, current_override
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
class SweepRecord(Stored):
    """A sweep with the job data that its report needs.

    Attributes:
        name: name of its section.
        command: the command that reproduces it.
        commit: full hash; None if the jobs were outside a repository.
        dirty: whether there were uncommitted changes; None if unknown.
        date: start date of its first job, UTC.
        minutes: total of all jobs.
        metrics: metrics of the table, sorted by the first.
        jobs: fields of each ``Job``, and ``curve``: pairs of training step and first metric.
        importance: fields of ``Importance``.
        note: the user's remark.
    """

    kind: ClassVar[str] = "sweep"

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

    def __post_init__(self) -> None:
        # As with records, the file keeps the names of its day, and the page has today's.
        object.__setattr__(self, "command", " ".join(map(current_override, self.command.split(" "))))
        object.__setattr__(self, "metrics", [current_metric(name) for name in self.metrics])

    @cached_property
    def report(self) -> SweepReport:
        """The report of the sweep."""
        return build_report([_job(self.name, number, stored) for number, stored in enumerate(self.jobs)], self.metrics)

    def stored_importance(self) -> Importance:
        """The importance computed when the sweep was added: other versions of scikit-learn fit different trees."""
        parameters = {
            name: (Share(*impurity), Share(*alone)) for name, (impurity, alone) in self.importance["parameters"].items()
        }
        return Importance(**{**self.importance, "parameters": parameters})


def is_sweep(path: Path) -> bool:
    """Whether a folder is the folder of a sweep."""
    return (path / SWEEP).is_file()


def read_sweep(path: Path, note: str | None = None) -> SweepRecord:
    """The record of a sweep, failed jobs included.

    Raises:
        UserError: it is not a sweep, has no finished job, or has pending or running jobs.
    """
    report = build_report(read_sweeps([path]))
    if unfinished := [job.name for job in report.jobs() if job.state() not in ("ok", "failed")]:
        raise UserError(f"{path} is not a finished sweep: {', '.join(unfinished)} is neither finished nor failed.")
    finished = sorted((job for job in report.jobs() if job.state() == "ok"), key=lambda job: job.status["started"])
    if not finished:
        raise UserError(f"{path} has no finished job.")
    overrides = [str(item) for item in Folder(path).yaml(SWEEP, "hydra.overrides.task")]
    first = finished[0].environment
    curves = curves_of(report)
    return SweepRecord(
        name=path.name,
        command=shlex.join([*TRAIN.split(), "-m", *shown(overrides)]),
        **code_of(first),
        date=day_of(finished[0].status["started"]),
        minutes=round(sum(job.seconds or 0.0 for job in report.jobs()) / 60, 1),
        device=str(first.get("device")),
        processor=first.get("processor"),
        threads=first.get("threads"),
        versions=dict(first.get("versions", {})),
        metrics=list(report.metrics),
        jobs=[_stored_job(report, job, curves.get(job.path, ())) for job in sorted(report.jobs(), key=_number)],
        importance=_stored_importance(importance(report)),
        note=note,
    )


def file_of(record: SweepRecord, results: Path, name: str | None = None) -> Path:
    """File of a sweep."""
    return results / FOLDER / f"{name or record.name}.json"


def load_sweeps(results: Path) -> list[SweepRecord]:
    """All sweeps, named after their files.

    Raises:
        UserError: a file is not a sweep.
    """
    return [
        SweepRecord(**{**asdict(SweepRecord.load(path)), "name": path.stem})
        for path in sorted((results / FOLDER).glob("*.json"))
    ]


def draw_sweep(record: SweepRecord, pictures: Path) -> None:
    """Writes the figures of a sweep."""
    for drawing in _drawings(record):
        with atomic_write(_picture(record, drawing, pictures)) as file:
            file.write_bytes(drawing.svg())


def pictures_of(record: SweepRecord, pictures: Path) -> list[Path]:
    """The figure files of a sweep."""
    return [_picture(record, drawing, pictures) for drawing in _drawings(record)]


def sweep_section(record: SweepRecord, pictures: Path, beside: Path) -> str:
    """The section of a sweep. beside: the folder that its links are relative to."""
    report, hyperparameters = record.report, record.stored_importance()
    parts = [f"### {record.name}", f"{headline(report)}.", as_markdown(results_grid(report)).strip(), *remarks(report)]
    if report.troubles():
        parts += ["Jobs without a result:", as_markdown(troubles_grid(report)).strip()]
    for drawing in _drawings(record):
        link = _picture(record, drawing, pictures).relative_to(beside).as_posix()
        parts.append(f"![{drawing.title} of the sweep {record.name}]({link})")
    parts.append(hyperparameters.verdict)
    parts += [as_markdown(importance_grid(hyperparameters)).strip()] if hyperparameters.parameters else []
    return "\n\n".join([*parts, *_provenance(record)])


def _provenance(record: SweepRecord) -> Iterator[str]:
    processor = record.processor or record.device if record.device == "cpu" else record.device
    threads = [] if record.threads is None else [counted(record.threads, "thread")]
    facts = [processor, *threads, f"{record.minutes:,.0f} minutes for all jobs", record.date]
    yield ", ".join([*facts, commit_text(record.commit, record.dirty), *versions_text(record.versions)]) + ":"
    yield f"```\n{record.command}\n```"
    if record.note:
        yield " ".join(record.note.split())


def _picture(record: SweepRecord, drawing: Drawing, pictures: Path) -> Path:
    return pictures / f"sweep-{record.name}-{drawing.name}.svg"


def _drawings(record: SweepRecord) -> list[Drawing]:
    report = record.report
    curves = {
        Path(record.name) / str(number): [(int(step), float(value)) for step, value in stored["curve"]]
        for number, stored in enumerate(record.jobs)
    }
    return list(drawings_of(report, record.stored_importance(), heat_keys(None, report.differing.parameters), curves))


def _stored_job(report: SweepReport, job: Job, curve: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """The stored fields of a job: differing settings and results."""
    needed = {*report.differing.parameters, *report.differing.seeds, *MONITOR}
    settings = {name: _shown(value) for name, value in job.settings.items() if name in needed}
    environment = {name: job.environment[name] for name in FACTS if name in job.environment}
    return {
        "settings": settings,
        "choices": {name: value for name, value in job.choices.items() if name in needed},
        "overrides": {name: _shown(value) for name, value in job.overrides.items() if name in needed},
        "status": {name: _shown(job.status[name]) for name in STATUS if name in job.status},
        "metrics": {name: round_digits(value) for name in report.metrics if (value := job.number(name)) is not None},
        "environment": environment,
        "curve": [[step, round_digits(value)] for step, value in curve],
    }


def _shown(value: Any) -> Any:
    """A value without folders of this machine."""
    return FOLDERS.sub("", value) if isinstance(value, str) else value


def _stored_importance(hyperparameters: Importance) -> dict[str, Any]:
    parameters = {
        name: [[round_digits(part) for part in share] for share in shares]
        for name, shares in hyperparameters.parameters.items()
    }
    if not parameters:
        return {"verdict": hyperparameters.verdict, "parameters": {}}
    return {
        "verdict": hyperparameters.verdict,
        "parameters": parameters,
        "together": round_digits(hyperparameters.together),
        "score": round_digits(hyperparameters.score),
    }


def _job(name: str, number: int, stored: dict[str, Any]) -> Job:
    names = {key: current_metric(value) for key, value in stored["settings"].items() if key == MONITOR[0]}
    present = {"settings": {**stored["settings"], **names}, "metrics": current_metrics(stored["metrics"])}
    fields = {field: value for field, value in {**stored, **present}.items() if field != "curve"}
    return Job(Path(name) / str(number), **fields)


def _number(job: Job) -> int:
    return int(job.path.name) if job.path.name.isdecimal() else 1 << 62
