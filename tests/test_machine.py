"""What a process may use of the machine."""

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

def told(*_):
    once()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        once()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
WAYS = {
    "given back": "told()",
    "kept": "from seqvise.machine import keep_memory; keep_memory(); told()",
    "command of words": "from seqvise.cli.support.plain_command import plain_command; "
    "from seqvise.cli.runs import RunsOptions; plain_command('runs', RunsOptions, told, [])",
    "command of config": "from seqvise.cli.support.hydra_command import hydra_command; "
    "sys.exit(hydra_command(told, [], fixed=['hydra=bare']))",
}


def faults(way: str, **environment: str) -> int:
    """Pages that the system gave to a process that takes and frees 40 MiB ten times."""
    words = [sys.executable, "-c", FAULTS + WAYS[way]]
    mine = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    return int(subprocess.run(words, env=mine | environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
@pytest.mark.parametrize("way", ["kept", "command of words", "command of config"])
def test_freed_memory_is_kept(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert 5 * faults(way) < faults("given back")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_what_a_person_told_the_c_library_holds() -> None:
    given_back = faults("given back") / 2
    assert faults("kept", MALLOC_MMAP_THRESHOLD_="1000000") > given_back
    assert faults("kept", GLIBC_TUNABLES="glibc.malloc.mmap_threshold=1000000") > given_back


def test_bf16_in_hardware_is_what_torch_says(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for has in ((False, False), (True, False), (False, True)):
        for name, said in zip(names, has, strict=True):
            monkeypatch.setattr(torch.cpu, name, lambda said=said: said, raising=False)
        assert has_bf16(torch.device("cpu")) is any(has)
    for name in names:  # as in an older torch
        monkeypatch.delattr(torch.cpu, name)
    assert not has_bf16(torch.device("cpu"))
    assert not has_bf16(torch.device("meta"))
