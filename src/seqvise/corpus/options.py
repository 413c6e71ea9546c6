"""Constants that the options of corpora and images share."""

from __future__ import annotations

ENCODING_ERRORS = ("refuse", "replace")
REFUSE, SKIP, CUT = ON_BAD = ("refuse", "skip", "cut")
"""How a row with another number of fields is handled. Runs before format 2 of config.yaml used ``cut``."""
RANDOM, FIRST = LIMIT_CHOICES = ("random", "first")
"""Which examples ``limit`` keeps. Runs before format 2 of config.yaml used ``first``."""


def __getattr__(name: str) -> object:
    from seqvise.moved import former_attribute

    return former_attribute(__name__, name)
