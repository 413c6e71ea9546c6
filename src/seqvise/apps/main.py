"""The former place of the command, for jobs that were queued with ``python -m seqvise.cli.main``."""

from seqvise.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
