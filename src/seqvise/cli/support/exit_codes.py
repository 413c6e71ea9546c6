"""How a command ends: 0 done, 1 failed at run time, 2 a person's mistake, 130 interrupted, 143 terminated."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seqvise.errors import RunFailedError, UserError
from seqvise.plain_text import printable

FAILED, REFUSED, INTERRUPTED = 1, 2, 130
NEW_LINE = "\n"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNWRITABLE = (*_FULL, errno.EROFS, errno.EACCES, errno.EPERM)


def exit_code(command: Callable[[], object]) -> int:
    """Runs a command and gives its exit code; problems and tracebacks go to standard error."""
    from seqvise.workers import handled_signals

    try:
        with own_log(), handled_signals():
            command()
    except UserError as error:
        for problem in error.messages:
            print(f"seqvise: {printable(problem, keep=NEW_LINE)}", file=sys.stderr)
        return REFUSED
    except RunFailedError as error:
        print(f"seqvise: {printable(str(error), keep=NEW_LINE)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has read enough; Python would complain of it once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except SystemExit as error:
        return _asked_for(error)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            traceback.print_exc()
        else:
            print(f"seqvise: {_about_disk(error)}", file=sys.stderr)
        return FAILED
    except Exception:
        traceback.print_exc()
        return FAILED
    return 0


@contextmanager
def own_log() -> Iterator[None]:
    """Takes down what the block sets up for logging: the next command of this process writes into a log of its own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in set(root.handlers).difference(handlers):
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


def _about_disk(error: OSError) -> str:
    """What was there before is as it was: everything is written under another name first."""
    place = f"{error.filename}: " if error.filename else ""
    advice = "make room" if error.errno in _FULL else "give a folder that can be written to, or the rights to this one"
    return f"{place}{error.strerror}; {advice}, and start again."


def _asked_for(error: SystemExit) -> int:
    # Lightning turns an interrupt during fit into sys.exit(1).
    if isinstance(error.__context__, KeyboardInterrupt):
        return INTERRUPTED
    return error.code if isinstance(error.code, int) else int(error.code is not None)
