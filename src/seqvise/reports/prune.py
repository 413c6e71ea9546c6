"""Removes checkpoints that are no longer needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqvise.errors import UserError
from seqvise.reports.job import Job, read_job
from seqvise.runs.directory import BEST, CHECKPOINTS, LAST

KEPT = {"best": (BEST,), "best+last": (BEST, LAST)}
"""Value of ``prune=`` -> checkpoints of a finished run that are kept."""
UNFINISHED = ("failed", "interrupted")


@dataclass(frozen=True)
class Pruning:
    """The checkpoints of a run to remove.

    Attributes:
        size: bytes that this frees.
        kept: its checkpoints that stay.
        skipped: why the run is skipped; empty if it is not.
    """

    job: Job
    files: tuple[Path, ...] = ()
    size: int = 0
    kept: tuple[Path, ...] = ()
    skipped: str = ""


def plan(jobs: Sequence[Job], keep: str) -> list[Pruning]:
    """Plans the removal for each run.

    Running runs and unreadable runs are skipped. The best checkpoint is kept. The last one is also kept if there is
    no best one, or if the run has failed and can be resumed.

    Raises:
        UserError: ``keep`` is not a value of ``prune=``.
    """
    if keep not in KEPT:
        raise UserError(f"prune is '{keep}', but must be one of {', '.join(KEPT)}: the checkpoints to keep.")
    return [_of_run(job, KEPT[keep]) for job in jobs]


def carry_out(planned: Sequence[Pruning], keep: str) -> list[Pruning]:
    """Removes the planned files; returns what was removed. Skips runs that were started again in the meantime."""
    return [_removed(pruning, keep) for pruning in planned]


def _of_run(job: Job, names: Sequence[str]) -> Pruning:
    if reason := _reason_to_skip(job):
        return Pruning(job, skipped=reason)
    folder = job.path / CHECKPOINTS
    kept = set(_kept(job, folder, names))
    checkpoints = sorted(folder.glob("*.ckpt"))
    files = [path for path in checkpoints if path.resolve() not in kept and path not in kept]
    if not kept and files:
        return Pruning(job, skipped="it has neither best.ckpt nor last.ckpt")
    left = tuple(path for path in checkpoints if path not in files)
    return Pruning(job, tuple(files), sum(map(_freed, files)), left)


def _reason_to_skip(job: Job) -> str:
    status = job.status.get("status")
    if job.errors:
        return job.reason()
    if job.state() == "killed":
        return f"its {job.reason()}"
    return "" if status in ("ok", "failed") else f"its status is {status or 'not known'}"


def _kept(job: Job, folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """The checkpoints to keep, and the targets of their links."""
    unfinished = job.state() in UNFINISHED or not (folder / BEST).exists()
    for name in {*names, *([LAST] if unfinished else [])}:
        if (folder / name).exists():
            yield folder / name
            yield (folder / name).resolve()


def _freed(path: Path) -> int:
    """Bytes that removing a file frees; 0 for symbolic links and files with further hard links."""
    status = path.lstat()
    return status.st_size if status.st_nlink == 1 and not path.is_symlink() else 0


def _removed(planned: Pruning, keep: str) -> Pruning:
    if planned.skipped or not planned.files:
        return planned
    current = _of_run(read_job(planned.job.path), KEPT[keep])
    for path in current.files:
        path.unlink()
    return current
