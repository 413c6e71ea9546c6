"""The run directory: its files, and which process writes them."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqvise.checksums import FILES, sealed
from seqvise.config.formats import as_yaml
from seqvise.config.options import Config
from seqvise.config.schema import content
from seqvise.errors import UserError, log_failure
from seqvise.files import atomic_write, try_lock, write_text
from seqvise.moved import current_metrics
from seqvise.runs.integrity import read_object, record_assets, record_results, with_checksum

log = logging.getLogger(__name__)
CONFIG, ENVIRONMENT, STATUS, METRICS = "config.yaml", "env.json", "status.json", "metrics.json"
CHECKPOINTS, ASSETS, NETWORK = "checkpoints", "assets", "network"
BEST, LAST = "best.ckpt", "last.ckpt"
LOCK = ".lock"
PROGRESS = "progress.jsonl"
RANKS = ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")


def rank_of_process() -> int:
    """The rank of this process, from the launcher's environment variables; 0 for a single process."""
    return next((int(os.environ[name]) for name in RANKS if os.environ.get(name, "0") != "0"), 0)


def is_first_process() -> bool:
    """Whether this process has rank 0 and writes the run's files."""
    return rank_of_process() == 0


@dataclass(frozen=True)
class RunDirectory:
    """A run directory. Only the first process writes; every file is replaced atomically.

    Attributes:
        path: the folder.
        writes: whether this process writes.
    """

    path: Path
    writes: bool = field(default_factory=is_first_process)

    @property
    def checkpoints(self) -> Path:
        """The folder of ``best.ckpt`` and ``last.ckpt``."""
        return self.path / CHECKPOINTS

    @property
    def assets(self) -> Path:
        """The folder of vocabularies and tokenizers, with which the run predicts without its corpus."""
        return self.path / ASSETS

    def write_config(self, config: Config) -> None:
        """Writes the resolved config as ``config.yaml``."""
        self._write(CONFIG, with_checksum(as_yaml(content(config))))

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Writes the environment as ``env.json``; environments of previous starts are kept under ``before``."""
        last = read_object(self.path / ENVIRONMENT)
        previous = last.pop("before", [])
        self._write(ENVIRONMENT, _json({**environment, "before": [*previous, last]} if last else environment))

    def write_changes(self, name: str, text: str) -> None:
        """Writes uncommitted changes of the code to a file that only its owner can read."""
        if self.writes:
            with atomic_write(self.path / name) as temporary:
                temporary.touch(0o600)
                temporary.write_text(text + "\n", encoding="utf-8")

    def write_metrics(self, metrics: Mapping[str, float | str | None]) -> None:
        """Writes the results, a flat object, as ``metrics.json``."""
        self._write(METRICS, _json(metrics))

    def write_assets(self, write: Callable[[Path], None]) -> None:
        """Writes the files that inference needs besides the weights. write: called with the folder."""
        if self.writes:
            write(self.assets)
            record_assets(self.assets)

    @contextmanager
    def recorded(self) -> Iterator[dict[str, str]]:
        """Writes ``status.json``: running, then ok with what the block has added, or as ``failure_recorded``."""
        started = time.time()
        self._write_status("running", started)
        added: dict[str, str] = {}
        with self.failure_recorded():
            yield added
            self._write_status("ok", started, **added, **({FILES: record_results(self.path)} if self.writes else {}))

    @contextmanager
    def failure_recorded(self) -> Iterator[None]:
        """If the block fails, writes ``status.json``: failed, with the reason and whether the run was interrupted.

        Raises:
            RunFailedError: replaces an unexpected error in any process; the traceback is written to the run's log.
        """
        try:
            yield
        except BaseException as error:
            # Lightning turns an interrupt during fit into sys.exit(1); SIGTERM ends in sys.exit(143).
            exit_types = (KeyboardInterrupt, SystemExit)
            interrupted = isinstance(error, exit_types) or isinstance(error.__context__, KeyboardInterrupt)
            if self.writes or not interrupted:
                reason = "interrupted" if interrupted else str(error) or type(error).__name__
                record_failure(self.path, reason, interrupted)
            if isinstance(error, Exception) and not isinstance(error, UserError):
                raise log_failure(error, self.path) from error
            raise

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder against other runs until the block or the process ends.

        Raises:
            UserError: another process has locked the folder.
        """
        if not self.writes:
            yield
            return
        with try_lock(self.path / LOCK) as acquired:
            if not acquired:
                raise UserError(
                    f"Another process trains in {self.path}: wait until it has finished, or choose another folder."
                )
            yield

    def _write_status(self, status: str, started: float, **more: Any) -> None:
        self._write(STATUS, _json(sealed({"status": status, "started": started, "written": time.time(), **more})))

    def _write(self, name: str, text: str) -> None:
        if self.writes:
            write_text(self.path / name, text)


def read_status(path: Path) -> dict[str, Any]:
    """The content of a run's ``status.json``; empty if it is missing or cannot be read."""
    return read_object(path / STATUS)


def read_metrics(path: Path) -> dict[str, Any]:
    """The content of a run's ``metrics.json`` by present names; empty if it is missing or cannot be read."""
    return current_metrics(read_object(path / METRICS))


def network_copy(path: Path, weights: str | None) -> str | None:
    """The run's copy of the file that ``data.weights`` names; None if it has none, e.g. with torchvision's weights."""
    file = path / ASSETS / NETWORK / Path(weights or "").name
    return str(file) if weights and file.is_file() else None


def failure_of_rank(path: Path) -> str | None:
    """The reason why a process with rank above 0 failed, which that process wrote to the status; None otherwise."""
    status = read_status(path)
    return str(status["why"]) if status.get("rank") else None


def record_failure(path: Path, why: str, interrupted: bool = False, replace: bool = False) -> None:
    """Records that a run failed, and why. The first process to fail is recorded: the others fail as a consequence.

    Raises nothing if the file cannot be written, so that the original error is not lost.

    Args:
        path: the run directory.
        why: the reason.
        interrupted: whether the run was interrupted.
        replace: whether this reason replaces that of the first process.
    """
    status, rank = read_status(path), rank_of_process()
    if status.get("status") == "failed" and not (replace and not status.get("rank")):
        return
    reason = {"why": f"rank {rank}: {why}", "rank": rank} if rank else {"why": why}
    started = {"started": status.get("started", time.time())}
    content = {"status": "failed", **started, "written": time.time(), **reason, "interrupted": interrupted}
    _write_if_possible(path / STATUS, _json(sealed(content)))


def _write_if_possible(path: Path, text: str) -> None:
    """Replaces a file's content, in place if the disk is full. Raises nothing."""
    try:
        write_text(path, text)
    except OSError:
        try:
            with path.open("r+", encoding="utf-8") as file:
                file.write(text)
                file.truncate()
        except OSError as error:
            log.error("%s cannot be written: %s.", path, error.strerror or error)


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
