"""Processes that were started together."""

import pytest

from seqvise.config.distributed_env import common_name, started_from_outside

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "mine"}
SLURM = {"SLURM_JOB_ID": "17", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_NTASKS": "8"}


@pytest.mark.parametrize(
    ("environment", "outside", "name"),
    [
        ({}, False, None),
        (TORCHRUN, True, "torchrun-mine"),
        (TORCHRUN | {"TORCHELASTIC_RUN_ID": "none"}, True, None),
        (TORCHRUN | {"WORLD_SIZE": "1"}, False, None),
        (SLURM, True, "slurm-17-0"),
        (SLURM | {"SLURM_JOB_NAME": "bash"}, False, None),
        (SLURM | {"SLURM_NTASKS": "1"}, False, None),
        ({"NODE_RANK": "1", "MASTER_ADDR": "localhost"}, True, None),
        # Lightning's own: another process of this machine has started it, and has told it the folder.
        ({"NODE_RANK": "0", "MASTER_ADDR": "localhost", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}, False, None),
    ],
)
def test_who_started_a_process_and_what_its_run_is_called(
    environment: dict[str, str], outside: bool, name: str | None
) -> None:
    assert started_from_outside(environment) is outside
    assert common_name(environment) == name
