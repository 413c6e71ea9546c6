"""What is measured, in processes of its own: peak memory only grows, and what a fork inherits would count."""

from __future__ import annotations

import multiprocessing
import re
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def alone(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What the function gives, called in a new process."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments, **named).result()


def peak_mib() -> float:
    """MiB that this process has held at most, since it began to run this program."""
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage says was handed on by the process that started this one
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found is not None:
            return int(found[1]) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


class Side:
    """Something that lives in a process of its own, and works when it is asked: one of two that take turns.

    Args:
        make: gives it, called in that process.
        arguments: of ``make``.
    """

    def __init__(self, make: Callable[P, object], *arguments: P.args, **named: P.kwargs) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=_keep, initargs=(make, arguments, named))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()

    def ask(self, method: str, *arguments: object) -> Any:
        """What the method gives."""
        return self._pool.submit(_ask, method, arguments).result()


_kept: list[Any] = []


def _keep(make: Callable[..., object], arguments: tuple[object, ...], named: dict[str, object]) -> None:
    _kept[:] = [make(*arguments, **named)]


def _ask(method: str, arguments: tuple[object, ...]) -> Any:
    return getattr(_kept[0], method)(*arguments)
