"""The run directory: what a run leaves, and who writes it."""

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
from seqvise.runs.integrity import read_object, record_assets, record_results, with_checksum

log = logging.getLogger(__name__)
CONFIG, ENVIRONMENT, STATUS, METRICS = "config.yaml", "env.json", "status.json", "metrics.json"
CHECKPOINTS, ASSETS, NETWORK = "checkpoints", "assets", "network"
BEST, LAST = "best.ckpt", "last.ckpt"
LOCK = ".lock"
PROGRESS = "progress.jsonl"
RANKS = ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")


def rank_of_process() -> int:
    """This process's place among those of its job, by the launcher's own variables; 0 where it is alone."""
    return next((int(os.environ[name]) for name in RANKS if os.environ.get(name, "0") != "0"), 0)


def is_first_process() -> bool:
    """Whether this process writes for the run: the only one, or rank 0 by the launcher's own variables."""
    return rank_of_process() == 0


@dataclass(frozen=True)
class RunDirectory:
    """A run's folder. Every file is replaced in one step, by the first process only.

    Attributes:
        path: the folder.
        writes: whether this process is the one that writes.
    """

    path: Path
    writes: bool = field(default_factory=is_first_process)

    @property
    def checkpoints(self) -> Path:
        """Folder of ``best.ckpt`` and ``last.ckpt``."""
        return self.path / CHECKPOINTS

    @property
    def assets(self) -> Path:
        """Folder of the vocabularies and tokenizers, so that the run needs no corpus to translate."""
        return self.path / ASSETS

    def write_config(self, config: Config) -> None:
        """Writes every choice, resolved, as ``config.yaml``."""
        self._write(CONFIG, with_checksum(as_yaml(content(config))))

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Writes what the run runs on as ``env.json``; what its earlier starts ran on stays there, under ``before``."""
        last = read_object(self.path / ENVIRONMENT)
        earlier = last.pop("before", [])
        self._write(ENVIRONMENT, _json({**environment, "before": [*earlier, last]} if last else environment))

    def write_changes(self, name: str, text: str) -> None:
        """Writes uncommitted changes of the code into a file that its owner alone can read."""
        if self.writes:
            with atomic_write(self.path / name) as temporary:
                temporary.touch(0o600)
                temporary.write_text(text + "\n", encoding="utf-8")

    def write_metrics(self, metrics: Mapping[str, float | str | None]) -> None:
        """Writes one flat object of results as ``metrics.json``."""
        self._write(METRICS, _json(metrics))

    def write_assets(self, write: Callable[[Path], None]) -> None:
        """Writes what the trained model needs beside its weights. write: called with the folder."""
        if self.writes:
            write(self.assets)
            record_assets(self.assets)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Keeps ``status.json``: running, then ok, or failed with the reason and whether it was interrupted.

        Raises:
            RunFailedError: instead of an unexpected error, whose traceback goes to the run's log, of any process.
        """
        started = time.time()
        self._write_status("running", started)
        try:
            yield
            self._write_status("ok", started, **({FILES: record_results(self.path)} if self.writes else {}))
        except BaseException as error:
            # Lightning turns an interrupt during fit into sys.exit(1); sys.exit(143) is how a termination ends.
            stopped = (KeyboardInterrupt, SystemExit)
            interrupted = isinstance(error, stopped) or isinstance(error.__context__, KeyboardInterrupt)
            if self.writes or not interrupted:
                why = "interrupted" if interrupted else str(error) or type(error).__name__
                record_failure(self.path, why, interrupted)
            if isinstance(error, Exception) and not isinstance(error, UserError):
                raise log_failure(error, self.path) from error
            raise

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keeps other runs out of the folder, until the block or the process ends.

        Raises:
            UserError: another process is at work in the folder.
        """
        if not self.writes:
            yield
            return
        with try_lock(self.path / LOCK) as alone:
            if not alone:
                raise UserError(f"Another process trains in {self.path}: wait for its end, or choose another folder.")
            yield

    def _write_status(self, status: str, started: float, **more: Any) -> None:
        self._write(STATUS, _json(sealed({"status": status, "started": started, "written": time.time(), **more})))

    def _write(self, name: str, text: str) -> None:
        if self.writes:
            write_text(self.path / name, text)


def read_status(path: Path) -> dict[str, Any]:
    """What ``status.json`` of a run directory says; nothing where there is none that can be read."""
    return read_object(path / STATUS)


def own_network(path: Path, weights: str | None) -> str | None:
    """The run's copy of the file that ``data.weights`` names; None where it keeps none, as of torchvision's weights."""
    file = path / ASSETS / NETWORK / Path(weights or "").name
    return str(file) if weights and file.is_file() else None


def failure_of_rank(path: Path) -> str | None:
    """Why a process other than the first has failed, as it has written itself into the status."""
    status = read_status(path)
    return str(status["why"]) if status.get("rank") else None


def record_failure(path: Path, why: str, interrupted: bool = False, replace: bool = False) -> None:
    """Writes that a run failed, and why. Of several processes the first to fail is believed: the others fail of it.

    It raises nothing where the file cannot be written, so that the reason itself is not lost.

    Args:
        path: the run directory.
        why: the reason.
        interrupted: whether somebody stopped it.
        replace: whether this reason is a better one than that of the first process.
    """
    status, rank = read_status(path), rank_of_process()
    if status.get("status") == "failed" and not (replace and not status.get("rank")):
        return
    reason = {"why": f"rank {rank}: {why}", "rank": rank} if rank else {"why": why}
    started = {"started": status.get("started", time.time())}
    content = {"status": "failed", **started, "written": time.time(), **reason, "interrupted": interrupted}
    _write_if_possible(path / STATUS, _json(sealed(content)))


def _write_if_possible(path: Path, text: str) -> None:
    """Replaces a file's content; in place where the disk is full. Raises nothing."""
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
