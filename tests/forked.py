"""Starts commands in processes that have already imported torch and Lightning.

Importing them takes a new process longer than a small training. Here a fork server imports them once, and each command
runs in a fork of it, with its own working directory, environment, arguments, standard streams and exit code. Processes
that a command starts itself are new ones. Test ``python train.py`` itself, and what a command imports, with
``subprocess``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver, reduction
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import IO, Any, TypeAlias

import pytest

ROOT = Path(__file__).parents[1]
Stream: TypeAlias = IO[Any] | int


class Forked:
    """A command in a fork of the server, used like ``subprocess.Popen`` with text streams.

    Args:
        command: arguments of Python: a script and its arguments, or ``-m``, a module and its arguments.
        cwd: the working directory.
        env: the environment variables.
        stdout: an open file, ``subprocess.PIPE`` or ``subprocess.DEVNULL``.
        stderr: the same of the standard error.
    """

    def __init__(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: Stream, stderr: Stream
    ) -> None:
        self.args = list(command)
        with contextlib.ExitStack() as opened:
            self.stdout, output = _stream(stdout, opened)
            self.stderr, errors = _stream(stderr, opened)
            path = _search_path(env.get("PYTHONPATH"))
            arguments = (self.args, str(cwd), dict(env), path, _Descriptors(output, errors))
            self._process = server().Process(target=_run_command, args=arguments)
            self._process.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative after a signal; None while the command runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """``returncode``."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end of the command and returns its exit code."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str | None, str | None]:
        """Reads one stream to its end, and waits for the end of the command."""
        assert None in (self.stdout, self.stderr), "one after the other, two pipes could block"
        texts = [None if stream is None else stream.read() for stream in (self.stdout, self.stderr)]
        self.wait(timeout)
        return texts[0], texts[1]

    def send_signal(self, signum: int) -> None:
        """Sends a signal unless the command has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """Kills the command."""
        self.send_signal(signal.SIGKILL)


def run(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, like ``subprocess.run`` with ``capture_output`` and ``text``."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = Forked(command, cwd=cwd, env=env, stdout=output, stderr=errors)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            raise
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(process.args, code, output.read(), errors.read())


class _Descriptors:
    """File descriptors that a process of the server gets with its arguments."""

    def __init__(self, *descriptors: int) -> None:
        self.descriptors = descriptors

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, tuple(reduction.DupFd(descriptor) for descriptor in self.descriptors)


def _received(*duplicates: Any) -> list[int]:
    return [duplicate.detach() for duplicate in duplicates]


def _stream(kind: Stream, opened: contextlib.ExitStack) -> tuple[IO[str] | None, int]:
    """The end of a pipe to read, if there is one, and the descriptor that the command writes to."""
    if kind == subprocess.PIPE:
        reading, writing = os.pipe()
        opened.callback(os.close, writing)
        return os.fdopen(reading, encoding="utf-8"), writing
    if isinstance(kind, int):
        return None, opened.enter_context(Path(os.devnull).open("w")).fileno()
    return None, kind.fileno()


@functools.cache
def server() -> ForkServerContext:
    """The fork server of this test process, with one thread and everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(ROOT):
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()
    return context


@functools.cache
def _search_path(python_path: str | None) -> list[str]:
    """``sys.path`` of a new process without its first entry, the folder of the script."""
    environment = os.environ | ({} if python_path is None else {"PYTHONPATH": python_path})
    code = "import json, sys; print(json.dumps(sys.path[1:]))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    return list(json.loads(done.stdout))


def _run_command(
    command: Sequence[str], cwd: str, environment: dict[str, str], path: Sequence[str], streams: Sequence[int]
) -> None:
    """Makes the fork what a new process with this command would be, and runs it."""
    import torch

    for target, descriptor in enumerate(streams, 1):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.set_start_method(None, force=True)  # type: ignore[arg-type]
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", torch.get_num_threads())))
    module = command[0] == "-m"
    program, *arguments = command[1:] if module else command
    sys.path[:] = [cwd if module else str(Path(program).parent), *path]
    sys.argv[:] = [program, *arguments]
    try:
        if module:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(program, run_name="__main__")
    finally:
        atexit._run_exitfuncs()
