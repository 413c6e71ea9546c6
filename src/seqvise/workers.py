"""Processes that work side by side."""

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


LATER = 0.05
"""Seconds after which a signal is sent again that came while this process forked."""


@contextmanager
def handled_signals() -> Iterator[None]:
    """Ends the block by an exception on SIGINT or SIGTERM, so that temporary files are removed and children end.

    Python drops an exception that is raised in a hook of a fork, such as logging's, so a signal that comes then is sent
    again. Forked children ignore SIGINT, which a terminal sends to all, and end with this process. Handlers that are
    not Python's own stay. Does nothing in a thread.

    Raises:
        KeyboardInterrupt: on SIGINT.
        SystemExit: on SIGTERM, with the code 143.
    """
    defaults: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [signum for signum, handler in defaults.items() if signal.getsignal(signum) == handler]
    for signum in taken:
        signal.signal(signum, _raise)
    _register_at_fork()
    _handled.append(taken)
    try:
        yield
    finally:
        _handled.pop()
        for signum in taken:
            if signal.getsignal(signum) == _raise:
                signal.signal(signum, defaults[signum])


_handled: list[list[signal.Signals]] = []
_hooks: list[Callable[[], None]] = []


def _raise(signum: int, frame: FrameType | None) -> None:
    if _forks(frame):
        timer = threading.Timer(LATER, os.kill, (os.getpid(), signum))
        timer.daemon = True
        timer.start()
    elif signum == signal.SIGINT:
        raise KeyboardInterrupt
    else:
        raise SystemExit(128 + signum)


def _forks(frame: FrameType | None) -> bool:
    """Whether a frame belongs to the start of a process by ``multiprocessing``."""
    while frame is not None:
        if frame.f_code.co_name == "_launch" and frame.f_globals.get("__name__") == "multiprocessing.popen_fork":
            return True
        frame = frame.f_back
    return False


def _register_at_fork() -> None:
    """Hooks of a process cannot be taken back, so there is one, which looks whether it is needed."""
    if not _hooks and hasattr(os, "register_at_fork"):
        _hooks.append(_leave_to_parent)
        os.register_at_fork(after_in_child=_leave_to_parent)


def _leave_to_parent() -> None:
    """In a forked child: the parent alone answers SIGINT, and ends it by SIGTERM."""
    if _handled:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def can_fork() -> bool:
    """Whether ``side_by_side`` works here: elsewhere than under Linux a fork that computes may crash."""
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


def side_by_side(work: Callable[[P], R], pieces: Sequence[P], count: int) -> list[R]:
    """What ``work`` makes of every piece, in their order, by forks of this process.

    They have its memory, so that neither a model nor the pieces are sent to them; what ``work`` gives is sent back.
    Each computes with one thread: torch's other threads do not survive a fork, and for small products a second process
    does more than a second thread.

    Args:
        work: does not change what it is given.
        pieces: the longest first, so that no process ends long after the others.
        count: processes.

    Raises:
        UserError: one of them was killed; or what ``work`` raises.
    """
    context, others = multiprocessing.get_context("fork"), multiprocessing.active_children()
    with ProcessPoolExecutor(count, context, initializer=_begin, initargs=(work, pieces)) as pool:
        try:
            return list(pool.map(_answer, range(len(pieces))))
        except BrokenProcessPool:
            raise UserError(
                f"One of {count} processes was killed, perhaps for want of memory: start again with workers=1."
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - set(others):
                child.terminate()  # what it is at may take long, and nobody waits for it
            raise


def begin_worker() -> None:
    """Lets a worker end with its parent, and by its parent alone."""
    # Ctrl-C reaches every process of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


_ours: dict[str, Any] = {}


def _begin(work: Callable[[P], R], pieces: Sequence[P]) -> None:
    import torch

    begin_worker()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    _ours.update(work=work, pieces=pieces)


def _answer(place: int) -> Any:
    return _ours["work"](_ours["pieces"][place])
