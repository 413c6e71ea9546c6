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
from types import SimpleNamespace
from typing import IO, Any, TypeAlias

import pytest

from seqvise.launching.parent import SWEEP

ROOT = Path(__file__).parents[1]
Stream: TypeAlias = IO[Any] | int


class Forked:
    """A command in a fork of the server, used like ``subprocess.Popen`` with text streams.

    Args:
        command: arguments of Python: a script and its arguments, or ``-m``, a module and its arguments; ``-P`` may
            come first.
        cwd: the working directory.
        env: the environment variables.
        stdout: an open file, ``subprocess.PIPE`` or ``subprocess.DEVNULL``.
        stderr: the same, or ``subprocess.STDOUT``.
        start_new_session: as in ``subprocess.Popen``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: Stream,
        stderr: Stream,
        start_new_session: bool = False,
    ) -> None:
        self.args = list(command)
        with contextlib.ExitStack() as opened:
            self.stdout, output = _stream(stdout, opened)
            self.stderr, errors = (None, output) if stderr == subprocess.STDOUT else _stream(stderr, opened)
            path = _search_path(env.get("PYTHONPATH"))
            streams = _Descriptors(output, errors)
            arguments = (self.args, str(cwd), dict(env), path, streams, start_new_session)
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

    def terminate(self) -> None:
        """Sends SIGTERM."""
        self.send_signal(signal.SIGTERM)

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


@pytest.fixture
def forked_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of sweeps that this process starts are forks, too."""

    def start(command: Sequence[str], *, stdin: int, **options: Any) -> Forked:  # noqa: ARG001
        return Forked(command[1:], cwd=Path.cwd(), **options)

    replaced = SimpleNamespace(Popen=start, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)
    monkeypatch.setattr("seqvise.launching.local.subprocess", replaced)


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
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if python_path is not None:
        environment["PYTHONPATH"] = python_path
    code = "import json, sys; print(json.dumps(sys.path[1:]))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    return list(json.loads(done.stdout))


def _run_command(
    command: Sequence[str],
    cwd: str,
    environment: dict[str, str],
    path: Sequence[str],
    streams: Sequence[int],
    new_session: bool,
) -> None:
    """Makes the fork what a new process with this command would be, and runs it."""
    import torch

    if new_session:
        os.setsid()
    for target, descriptor in enumerate(streams, 1):
        os.dup2(descriptor, target)
    for descriptor in set(streams):
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    if SWEEP in os.environ:
        os.environ[SWEEP] = str(os.getppid())  # a job ends with its parent, here the server
    multiprocessing.set_start_method(None, force=True)
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", torch.get_num_threads())))
    safe_path, module = command[0] == "-P", "-m" in command[:2]
    program, *arguments = command[safe_path + module :]
    sys.path[:] = [*([] if safe_path else [cwd if module else str(Path(program).parent)]), *path]
    sys.argv[:] = [program, *arguments]
    try:
        if module:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(program, run_name="__main__")
    finally:
        atexit._run_exitfuncs()
