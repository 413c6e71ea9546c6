"""Training framework for sequence-to-sequence and visual-semantic models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqvise.moved import install

if TYPE_CHECKING:
    from seqvise.inference.load import load_run

__all__ = ["__version__", "load_run"]
__version__ = "0.1.0"

install()


def __getattr__(name: str) -> object:
    # Importing torch takes seconds; `import seqvise` and `seqvise --help` avoid it.
    if name == "load_run":
        from seqvise.inference.load import load_run

        return load_run
    raise AttributeError(f"module 'seqvise' has no attribute '{name}'")
