"""Former names of this package, which was a module."""

from seqvise.moved import former_attribute


def __getattr__(name: str) -> object:
    return former_attribute(__name__, name)
