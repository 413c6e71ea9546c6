"""Checkpoints that nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqvise.errors import UserError
from seqvise.reports.job import Job, read_job
from seqvise.runs.directory import BEST, CHECKPOINTS, LAST

KEPT = {"best": (BEST,), "best+last": (BEST, LAST)}
"""What each value of ``prune=`` leaves of a run that is done."""
UNFINISHED = ("failed", "interrupted")


@dataclass(frozen=True)
class Pruning:
    """What would go of a run.

    Attributes:
        job: the run.
        files: its checkpoints that nobody asked for.
        size: bytes that removing them gives back.
        left: why the run is left alone; empty where it is not.
    """

    job: Job
    files: tuple[Path, ...] = ()
    size: int = 0
    left: str = ""


def plan(jobs: Sequence[Job], keep: str) -> list[Pruning]:
    """What would go of each run.

    A run that says that it is running is left alone, and so is one whose files cannot be read. The best checkpoint
    stays, and so does the last of a run that has no best one, or that has failed, which can be gone on from.

    Raises:
        UserError: ``keep`` is no value of ``prune=``.
    """
    if keep not in KEPT:
        raise UserError(f"prune is '{keep}', but must be one of {', '.join(KEPT)}: the checkpoints that stay.")
    return [_of_run(job, KEPT[keep]) for job in jobs]


def carry_out(planned: Sequence[Pruning], keep: str) -> list[Pruning]:
    """Removes what the plan names, and gives what was removed. A run that was started again meanwhile is left alone."""
    return [_removed(each, keep) for each in planned]


def _of_run(job: Job, names: Sequence[str]) -> Pruning:
    if left := _left_alone(job):
        return Pruning(job, left=left)
    folder = job.path / CHECKPOINTS
    kept = set(_kept(job, folder, names))
    files = [path for path in sorted(folder.glob("*.ckpt")) if path.resolve() not in kept and path not in kept]
    if not kept and files:
        return Pruning(job, left="it has neither best.ckpt nor last.ckpt")
    return Pruning(job, tuple(files), sum(map(_freed, files)))


def _left_alone(job: Job) -> str:
    said = job.status.get("status")
    if job.messages:
        return job.reason()
    if said == "running":
        return "its status is running" + (f"; it {job.reason()}" if job.state() == "killed" else "")
    return "" if said in ("ok", "failed") else f"its status is {said or 'not known'}"


def _kept(job: Job, folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """The checkpoints that stay, and what they point to."""
    unfinished = job.state() in UNFINISHED or not (folder / BEST).exists()
    for name in {*names, *([LAST] if unfinished else [])}:
        if (folder / name).exists():
            yield folder / name
            yield (folder / name).resolve()


def _freed(path: Path) -> int:
    """Bytes; none of a link, nor of a file that has another name."""
    found = path.lstat()
    return found.st_size if found.st_nlink == 1 and not path.is_symlink() else 0


def _removed(planned: Pruning, keep: str) -> Pruning:
    if planned.left or not planned.files:
        return planned
    now = _of_run(read_job(planned.job.path), KEPT[keep])
    for path in now.files:
        path.unlink()
    return now
