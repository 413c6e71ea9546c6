"""Choices that corpora and images share."""

from __future__ import annotations

ENCODING_ERRORS = ("refuse", "replace")
REFUSE, SKIP, CUT = ON_BAD = ("refuse", "skip", "cut")
"""What is done with a row of another number of fields. ``cut`` is what runs before format 2 of config.yaml did."""
RANDOM, FIRST = LIMIT_CHOICES = ("random", "first")
"""What ``limit`` keeps. ``first`` is what runs before format 2 of config.yaml did."""


def __getattr__(name: str) -> object:
    from seqvise.moved import former_attribute

    return former_attribute(__name__, name)
