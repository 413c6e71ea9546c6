"""Runs measured functions in new processes: peak memory never shrinks, and a fork would inherit memory."""

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


def alone(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Calls a function in a new process and returns its result."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments, **keywords).result()


def peak_mib() -> float:
    """Peak memory of this process in MiB since it started this program."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage also counts the process that started this one
        match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if match is not None:
            return int(match[1]) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


class RemoteObject:
    """An object in a separate process, whose methods are called from this one: one of several that take turns.

    Args:
        make: creates the object; called in that process.
        arguments: arguments of ``make``.
    """

    def __init__(self, make: Callable[P, object], *arguments: P.args, **keywords: P.kwargs) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=_create, initargs=(make, arguments, keywords))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def call(self, method: str, *arguments: object) -> Any:
        """Calls a method of the object and returns its result."""
        return self._pool.submit(_call, method, arguments).result()


_objects: list[Any] = []


def _create(make: Callable[..., object], arguments: tuple[object, ...], keywords: dict[str, object]) -> None:
    _objects[:] = [make(*arguments, **keywords)]


def _call(method: str, arguments: tuple[object, ...]) -> Any:
    return getattr(_objects[0], method)(*arguments)
