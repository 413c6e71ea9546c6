"""DeViSE: images to word vectors. Names from the time when this package was a module still work."""

from seqvise.moved import former_attribute


def __getattr__(name: str) -> object:
    return former_attribute(__name__, name)
