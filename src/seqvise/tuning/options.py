"""What a person chooses about a search. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "hyperband", "none")


@dataclass
class TuneOptions:
    """The `tune` node; `conf/tune.yaml` explains each key."""

    space: Annotated[dict[str, Any], "what is searched, key by key; a file of conf/tune, tune=NAME, has it"] = field(
        default_factory=dict
    )
    name: Annotated[str | None, "of the study; by default the space's, with the model or the experiment"] = None
    trials: Annotated[int, "in the whole study, whichever process runs them"] = 20
    jobs: Annotated[int, "trials at a time"] = 1
    threads: Annotated[int | None, "of each trial; by default the processors shared out"] = None
    devices: Annotated[list[int] | None, "[0,1,2]: CUDA devices that the trials share; by default all"] = None
    storage: Annotated[str | None, "URL of the database; by default study.db in the study's folder"] = None
    seeds: Annotated[list[int] | None, "0,1,2: the value of a trial is the mean over these seeds"] = None
    sampler: Annotated[str, "tpe | random, who suggests"] = "tpe"
    sampler_seed: Annotated[int | None, "of its draws"] = None
    pruner: Annotated[str, "median | hyperband | none, who ends trials early"] = "median"
    startup: Annotated[int, "median: trials that must have ended before one is pruned"] = 5
    warmup: Annotated[int, "validations of a trial before it may be pruned"] = 1
    best: Annotated[str | None, "experiment file for the best, as conf/experiment/tuned/NAME.yaml"] = None

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        for name in ("trials", "jobs", "threads", "warmup"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{key}.{name} is {value}, but must be at least 1."
        if self.startup < 0:
            yield f"{key}.startup is {self.startup}, but cannot be negative."
        for name, allowed in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if getattr(self, name) not in allowed:
                yield f"{key}.{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        if self.name is not None and ("/" in self.name or self.name.strip(". ") == ""):
            yield f"{key}.name is '{self.name}', but must be the name of a folder."
        yield from self._problems_of_lists(key)

    def _problems_of_lists(self, key: str) -> Iterator[str]:
        for name in ("seeds", "devices"):
            values = getattr(self, name)
            if values is not None and (not values or len(set(values)) < len(values) or min(values) < 0):
                shown = ",".join(map(str, values))
                yield f"{key}.{name} is [{shown}], but must be different numbers from 0, as {key}.{name}=[0,1]."


@dataclass
class TuneConfig:
    """The root of all that is the search's own."""

    tune: TuneOptions = field(default_factory=TuneOptions)
