"""``python train.py [overrides]``: the same as ``seqvise train``."""

import sys

from seqvise.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
