"""``python search.py run=DIR query="sail boat"``: the same as ``seqvise search``."""

import sys

from seqvise.cli.search import main

if __name__ == "__main__":
    sys.exit(main())
