"""Options of a hyperparameter search. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from seqvise.options import NODE, Options, Problem, at_least, one_of

SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "hyperband", "none")


@dataclass
class TuneOptions(Options):
    """The `tune` node; `conf/tune.yaml` explains each key."""

    space: Annotated[dict[str, Any], "the search space, key by key; tune=NAME reads it from conf/tune/NAME.yaml"] = (
        field(default_factory=dict)
    )
    name: Annotated[str | None, "name of the study; default: the space's, with the model or the experiment"] = None
    trials: Annotated[int, "trials in the whole study, over all processes"] = 20
    jobs: Annotated[int, "trials at a time"] = 1
    threads: Annotated[int | None, "threads of each trial; default: the processors divided by the jobs"] = None
    devices: Annotated[list[int] | None, "[0,1,2]: CUDA devices that the trials share; default: all"] = None
    storage: Annotated[str | None, "URL of the database; default: study.db in the study's folder"] = None
    seeds: Annotated[list[int] | None, "0,1,2: the value of a trial is the mean over these seeds"] = None
    sampler: Annotated[str, "tpe | random, how trials are sampled"] = "tpe"
    sampler_seed: Annotated[int | None, "seed of the sampler"] = None
    pruner: Annotated[str, "median | hyperband | none, how trials are stopped early"] = "median"
    startup: Annotated[int, "median: trials that must have ended before one is pruned"] = 5
    warmup: Annotated[int, "validations of a trial before it may be pruned"] = 1
    best: Annotated[str | None, "experiment file for the best trial, such as conf/experiment/tuned/NAME.yaml"] = None

    def validate(self) -> Iterator[Problem]:
        yield from at_least(self, 1, "trials", "jobs", "threads", "warmup")
        yield from at_least(self, 0, "startup")
        yield from one_of(self, sampler=SAMPLERS, pruner=PRUNERS)
        if self.name is not None and ("/" in self.name or self.name.strip(". ") == ""):
            yield "name", f"is '{self.name}', but must be the name of a folder."
        for name in ("seeds", "devices"):
            values = getattr(self, name)
            if values is not None and (not values or len(set(values)) < len(values) or min(values) < 0):
                shown = ",".join(map(str, values))
                yield name, f"is [{shown}], but must be different numbers from 0, such as {NODE}.{name}=[0,1]."


@dataclass
class TuneConfig(Options):
    """The root of the config of a search."""

    tune: TuneOptions = field(default_factory=TuneOptions)
