"""Exit codes of commands: 0 success, 1 failure at run time, 2 invalid input, 130 interrupted, 143 terminated."""

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
    """Runs a command and returns its exit code; messages and tracebacks go to standard error."""
    from seqvise.workers import handled_signals

    try:
        with separate_log(), handled_signals():
            command()
    except UserError as error:
        for message in error.messages:
            print(f"seqvise: {printable(message, keep=NEW_LINE)}", file=sys.stderr)
        return REFUSED
    except RunFailedError as error:
        print(f"seqvise: {printable(str(error), keep=NEW_LINE)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe. Standard output is redirected, or Python would report it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except SystemExit as error:
        return _system_exit_code(error)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            traceback.print_exc()
        else:
            print(f"seqvise: {_disk_message(error)}", file=sys.stderr)
        return FAILED
    except Exception:
        traceback.print_exc()
        return FAILED
    return 0


@contextmanager
def separate_log() -> Iterator[None]:
    """Removes the logging handlers that the block adds, so that the next command of this process has its own log."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in set(root.handlers).difference(handlers):
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


def _disk_message(error: OSError) -> str:
    """The message for a failed write. Existing files are unchanged: outputs are first written under another name."""
    location = f"{error.filename}: " if error.filename else ""
    advice = "free disk space" if error.errno in _FULL else "choose a writable folder, or change its permissions"
    return f"{location}{error.strerror}; {advice}, and run the command again."


def _system_exit_code(error: SystemExit) -> int:
    # Lightning turns an interrupt during fit into sys.exit(1).
    if isinstance(error.__context__, KeyboardInterrupt):
        return INTERRUPTED
    return error.code if isinstance(error.code, int) else int(error.code is not None)
