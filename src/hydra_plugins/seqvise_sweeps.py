"""Where Hydra looks for ways to run a sweep, in every program that uses Hydra: so nothing of ours is imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher


class LocalLauncher(Launcher):  # type: ignore[misc]
    """``hydra/launcher=local``: each job a process of its own, several at a time.

    Args:
        jobs: at most so many at a time; None for one a device.
        devices: CUDA's names of the devices shared; None for all that may be used.
        devices_per_job: None for as many as ``trainer.devices`` says.
        threads: of each process; None for its share of the processor.
    """

    names_runs = True
    """It names the folders of its jobs for TensorBoard, whatever sweeper gives them."""

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
        """Takes over what a sweeper knows of the sweep."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs jobs; gives the monitored metric of each, or its failure."""
        from seqvise.launching.launcher import launch

        return launch(self, job_overrides, initial_job_idx)


class Grid(BasicSweeper):  # type: ignore[misc]
    """``hydra/sweeper=grid``: Hydra's basic sweeper, which goes on where a job fails."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Checks that the sweep can be started where it is to lie."""
        from seqvise.launching.grid import check

        check(config)
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task_function = task_function

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Nothing: seqvise has checked the jobs, values included, and each job checks itself."""

    def sweep(self, arguments: list[str]) -> Any:
        """Runs all jobs."""
        from seqvise.launching.grid import sweep

        return sweep(self, arguments)
