"""What a process may use of the machine."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import ctypes, resource, sys
from seqvise.machine import keep_memory

if sys.argv[1] == "kept":
    keep_memory()

def once():
    ctypes.memset(ctypes.create_string_buffer(40 << 20), 1, 40 << 20)

once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, kept: bool, **environment: str) -> int:
    """Pages that the system gave to a process that takes and frees 40 MiB ten times."""
    words = [sys.executable, "-c", FAULTS, "kept" if kept else "given back"]
    mine = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    return int(subprocess.run(words, env=mine | environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_freed_memory_is_kept() -> None:
    assert 5 * faults(kept=True) < faults(kept=False)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_what_a_person_told_the_c_library_holds() -> None:
    given_back = faults(kept=False) / 2
    assert faults(kept=True, MALLOC_MMAP_THRESHOLD_="1000000") > given_back
    assert faults(kept=True, GLIBC_TUNABLES="glibc.malloc.mmap_threshold=1000000") > given_back
