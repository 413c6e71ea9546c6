"""What the processes that load batches have in common."""

from __future__ import annotations

import signal


def ignore_interrupts(_: int) -> None:
    """Leaves Ctrl-C, which a terminal sends to every process, to the one that trains and still needs batches."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
