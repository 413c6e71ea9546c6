"""What the options of corpora and images share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seqvise.options import Problem, at_least, one_of

ENCODING_ERRORS = ("refuse", "replace")
REFUSE, SKIP, CUT = ON_BAD = ("refuse", "skip", "cut")
"""How a row with another number of fields is handled. Runs before format 2 of config.yaml used ``cut``."""
RANDOM, FIRST = LIMIT_CHOICES = ("random", "first")
"""Which examples ``limit`` keeps. Runs before format 2 of config.yaml used ``first``."""


def __getattr__(name: str) -> object:
    from seqvise.moved import former_attribute

    return former_attribute(__name__, name)


def dataset_errors(options: Any) -> Iterator[Problem]:
    """Yields the invalid values among the options that all data sets have: their name, and which examples they keep."""
    if not options.name or "/" in options.name or options.name.startswith("."):
        yield "name", f"is '{options.name}', but it names a folder of the cache: use one plain word."
    yield from one_of(options, on_bad=ON_BAD, limit_choice=LIMIT_CHOICES)
    yield from at_least(options, 1, "limit", null="for no limit")
    limit = 0.5 if getattr(options, "format", None) == "phrasebook" else 1
    if not 0 < options.valid_fraction < limit:
        yield "valid_fraction", f"is {options.valid_fraction}, but must be above 0 and below {limit}."
    if not 0 <= options.seed < 2**63:
        yield "seed", f"is {options.seed}, but must be at least 0 and below 2**63."
    if options.workers is not None and options.workers < 0:
        yield "workers", f"is {options.workers}, but must be 0 (load in the training process) or more."
