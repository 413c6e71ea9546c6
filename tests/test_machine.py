"""Memory settings and CPU features."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seqvise.machine import has_bf16

FAULTS = """
import ctypes, resource, sys

def once():
    ctypes.memset(ctypes.create_string_buffer(40 << 20), 1, 40 << 20)

def measure(*_):
    once()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        once()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PROGRAMS = {
    "returned": "measure()",
    "kept": "from seqvise.machine import keep_memory; keep_memory(); measure()",
    "plain command": "from seqvise.cli.support.plain_command import words_command; "
    "from seqvise.cli.runs import RunsOptions; words_command('runs', RunsOptions, measure, [])",
    "hydra command": "from seqvise.cli.support.hydra_command import hydra_command; "
    "sys.exit(hydra_command(measure, [], fixed=['hydra=bare']))",
}


def faults(program: str, **environment: str) -> int:
    """Page faults of a process that allocates and frees 40 MiB ten times."""
    command = [sys.executable, "-c", FAULTS + PROGRAMS[program]]
    environment_without_tunables = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    return int(
        subprocess.run(
            command, env=environment_without_tunables | environment, check=True, capture_output=True, text=True
        ).stdout
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only for glibc")
@pytest.mark.parametrize("program", ["kept", "plain command", "hydra command"])
def test_freed_memory_is_kept(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert 5 * faults(program) < faults("returned")


@pytest.mark.skipif(sys.platform != "linux", reason="only for glibc")
def test_the_users_malloc_settings_take_precedence() -> None:
    returned = faults("returned") / 2
    assert faults("kept", MALLOC_MMAP_THRESHOLD_="1000000") > returned
    assert faults("kept", GLIBC_TUNABLES="glibc.malloc.mmap_threshold=1000000") > returned


def test_bf16_in_hardware_follows_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for has in ((False, False), (True, False), (False, True)):
        for name, supported in zip(names, has, strict=True):
            monkeypatch.setattr(torch.cpu, name, lambda supported=supported: supported, raising=False)
        assert has_bf16(torch.device("cpu")) is any(has)
    for name in names:  # as in an older torch
        monkeypatch.delattr(torch.cpu, name)
    assert not has_bf16(torch.device("cpu"))
    assert not has_bf16(torch.device("meta"))
