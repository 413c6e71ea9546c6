"""Processes that work side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from seqvise.errors import UserError

P = TypeVar("P")
R = TypeVar("R")


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
