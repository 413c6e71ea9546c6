"""Freed memory is kept, and bfloat16 in hardware is detected."""

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

def count_faults(*_):
    once()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        once()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
WAYS = {
    "returned": "count_faults()",
    "kept": "from seqvise.machine import keep_memory; keep_memory(); count_faults()",
    "plain command": "from seqvise.cli.support.plain_command import plain_command; "
    "from seqvise.cli.runs import RunsOptions; plain_command('runs', RunsOptions, count_faults, [])",
    "Hydra command": "from seqvise.cli.support.hydra_command import hydra_command; "
    "sys.exit(hydra_command(count_faults, [], fixed=['hydra=bare']))",
}


def faults(way: str, **environment: str) -> int:
    """Page faults of a process that allocates and frees 40 MiB ten times."""
    argv = [sys.executable, "-c", FAULTS + WAYS[way]]
    inherited = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    return int(subprocess.run(argv, env=inherited | environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these settings")
@pytest.mark.parametrize("way", ["kept", "plain command", "Hydra command"])
def test_freed_memory_is_kept(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert 5 * faults(way) < faults("returned")


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these settings")
def test_malloc_settings_of_the_user_take_precedence() -> None:
    returned = faults("returned") / 2
    assert faults("kept", MALLOC_MMAP_THRESHOLD_="1000000") > returned
    assert faults("kept", GLIBC_TUNABLES="glibc.malloc.mmap_threshold=1000000") > returned


def test_bf16_in_hardware_is_as_torch_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for flags in ((False, False), (True, False), (False, True)):
        for name, supported in zip(names, flags, strict=True):
            monkeypatch.setattr(torch.cpu, name, lambda supported=supported: supported, raising=False)
        assert has_bf16(torch.device("cpu")) is any(flags)
    for name in names:  # as in an older torch
        monkeypatch.delattr(torch.cpu, name)
    assert not has_bf16(torch.device("cpu"))
    assert not has_bf16(torch.device("meta"))
