"""Parallel processes: signal handling, and a map over forks of this process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from seqvise.errors import UserError

P = TypeVar("P")
R = TypeVar("R")


RESEND_SECONDS = 0.05
"""Delay in seconds before a signal is sent again that arrived while this process forked."""


@contextmanager
def handled_signals() -> Iterator[None]:
    """Raises an exception in the block on SIGINT or SIGTERM, so that temporary files are removed and children end.

    Python drops exceptions raised in fork hooks, such as logging's, so a signal that arrives during a fork is sent
    again. Forked children ignore SIGINT, which a terminal sends to all processes, and end with this process. Handlers
    other than Python's defaults are kept. Does nothing outside the main thread.

    Raises:
        KeyboardInterrupt: on SIGINT.
        SystemExit: on SIGTERM, with exit code 143.
    """
    defaults: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    replaced = [signum for signum, handler in defaults.items() if signal.getsignal(signum) == handler]
    for signum in replaced:
        signal.signal(signum, _raise)
    _register_at_fork()
    _handled_signals.append(replaced)
    try:
        yield
    finally:
        _handled_signals.pop()
        for signum in replaced:
            if signal.getsignal(signum) == _raise:
                signal.signal(signum, defaults[signum])


_handled_signals: list[list[signal.Signals]] = []
_fork_hooks: list[Callable[[], None]] = []


def _raise(signum: int, frame: FrameType | None) -> None:
    if _is_forking(frame):
        timer = threading.Timer(RESEND_SECONDS, os.kill, (os.getpid(), signum))
        timer.daemon = True
        timer.start()
    elif signum == signal.SIGINT:
        raise KeyboardInterrupt
    else:
        raise SystemExit(128 + signum)


def _is_forking(frame: FrameType | None) -> bool:
    """Whether a frame is inside the start of a process by ``multiprocessing``."""
    while frame is not None:
        if frame.f_code.co_name == "_launch" and frame.f_globals.get("__name__") == "multiprocessing.popen_fork":
            return True
        frame = frame.f_back
    return False


def _register_at_fork() -> None:
    """Registers one fork hook; hooks cannot be unregistered, so the hook itself checks whether it is needed."""
    if not _fork_hooks and hasattr(os, "register_at_fork"):
        _fork_hooks.append(_reset_in_child)
        os.register_at_fork(after_in_child=_reset_in_child)


def _reset_in_child() -> None:
    """In a forked child: ignores SIGINT, which the parent handles, and restores the default for SIGTERM."""
    if _handled_signals:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def can_fork() -> bool:
    """Whether ``fork_map`` works here: outside Linux, a forked process that computes may crash."""
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


def fork_map(work: Callable[[P], R], pieces: Sequence[P], count: int) -> list[R]:
    """Maps ``work`` over the pieces in forks of this process; returns the results in order.

    Forks share this process's memory, so that only results are sent between processes, not models or pieces. Each
    fork uses one thread: torch's other threads do not survive a fork, and for small matrix products a second process
    is faster than a second thread.

    Args:
        work: must not change its argument.
        pieces: in order of decreasing cost, so that all processes finish at about the same time.
        count: number of processes.

    Raises:
        UserError: a process was killed. Errors of ``work`` are raised here, too.
    """
    context, earlier_children = multiprocessing.get_context("fork"), multiprocessing.active_children()
    with ProcessPoolExecutor(count, context, initializer=_init_fork, initargs=(work, pieces)) as pool:
        try:
            return list(pool.map(_run_piece, range(len(pieces))))
        except BrokenProcessPool:
            raise UserError(
                f"One of {count} processes was killed, perhaps for lack of memory: start again with workers=1."
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - set(earlier_children):
                child.terminate()  # its current piece may take long, and its result is not needed
            raise


def init_worker() -> None:
    """Makes a worker ignore SIGINT and exit with its parent."""
    # Ctrl-C reaches every process of a terminal; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exits when the parent has ended; otherwise a worker of a killed parent would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


_worker_state: dict[str, Any] = {}


def _init_fork(work: Callable[[P], R], pieces: Sequence[P]) -> None:
    import torch

    init_worker()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    _worker_state.update(work=work, pieces=pieces)


def _run_piece(index: int) -> Any:
    return _worker_state["work"](_worker_state["pieces"][index])
