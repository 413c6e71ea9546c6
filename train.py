"""``python train.py [overrides]``: the same as ``seqvise train``."""

import sys

from seqvise.apps.train import main

if __name__ == "__main__":
    sys.exit(main())
