"""Hydra plugins for sweeps. Every program that uses Hydra imports this module, so it imports seqvise only when used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher


class LocalLauncher(Launcher):  # type: ignore[misc]
    """``hydra/launcher=local``: each job is a separate process, several at a time.

    Args:
        jobs: maximum number of parallel jobs; None for one per device.
        devices: CUDA names of the shared devices; None for all visible devices.
        devices_per_job: None for the number in ``trainer.devices``.
        threads: CPU threads of each process; None for its share of the cores.
    """

    names_runs = True
    """This launcher itself links the folders of its jobs for TensorBoard, with any sweeper."""

    def __init__(
        self,
        jobs: int | None = None,
        devices: Sequence[Any] | None = None,
        devices_per_job: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.jobs = jobs
        self.devices = devices
        self.devices_per_job = devices_per_job
        self.threads = threads

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Stores the context, function and config of the sweep."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs jobs; returns the monitored metric of each, or its failure."""
        from seqvise.launching.launcher import launch

        return launch(self, job_overrides, initial_job_idx)


class Grid(BasicSweeper):  # type: ignore[misc]
    """``hydra/sweeper=grid``: Hydra's basic sweeper, which continues if a job fails."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Checks that the sweep can be started in its folder."""
        from seqvise.launching.grid import check

        check(config)
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task_function = task_function

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Does nothing: seqvise has already checked the overrides, and each job checks its config."""

    def sweep(self, arguments: list[str]) -> Any:
        """Runs all jobs."""
        from seqvise.launching.grid import sweep

        return sweep(self, arguments)
