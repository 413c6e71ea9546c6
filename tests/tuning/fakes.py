"""A fake run without training, and a process that searches with it.

The run behaves like a real one: a line of ``progress.jsonl`` after each validation, a checkpoint when interrupted,
``metrics.json`` and ``status.json`` at its end. It is started as ``python fakes.py FOLDER key=value ...``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
METRIC = "val/bleu"


def command(values: Mapping[str, Any], seed: int | None, folder: Path) -> list[str]:
    """The command that starts a fake run."""
    args = [f"{key}={value}" for key, value in values.items()]
    return [sys.executable, "-S", "-E", __file__, str(folder), *args, f"seed={seed}"]


def run(folder: Path, args: Mapping[str, str]) -> int:
    """``steps`` validations of ``pause`` seconds each, whose metric is x + seed - the number of steps still to come.

    ``end`` selects the end: exit (1), refused (2), kill (by SIGKILL), silent (no metrics), nan, or late (interrupted
    at the very end).
    """
    x, seed = float(args["x"]), 0 if args["seed"] == "None" else int(args["seed"])
    steps, pause, end = int(args.get("steps", 1)), float(args.get("pause", 0)), args.get("end", "well")
    received: list[int] = []
    sys.path.insert(0, str(ROOT / "src"))
    from seqvise.files import write_text
    from seqvise.launching.parent import end_with_parent

    def write(status: str, **more: object) -> None:
        write_text(folder / "status.json", json.dumps({"status": status, **more}))

    signal.signal(signal.SIGTERM, lambda signum, _: received.append(signum))
    end_with_parent()
    write("running", device=os.environ.get("CUDA_VISIBLE_DEVICES"))
    saved = folder / "saved"
    for step in range(int(saved.read_text()) if saved.is_file() else 0, steps):
        time.sleep(pause)
        with (folder / "progress.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, METRIC: x + seed - (steps - 1 - step)}) + "\n")
        write_text(saved, str(step + 1))
        if received and end != "late":
            write("failed", why="interrupted", interrupted=True)
            return 143
    if end in ("exit", "refused"):
        print(f"a sentence about {seed}")
        return 1 if end == "exit" else 2
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if end != "silent":
        write_text(folder / "metrics.json", json.dumps({METRIC: float("nan") if end == "nan" else x + seed}))
    status = json.loads((folder / "status.json").read_text())
    write(**{**status, "status": "ok"})
    return 0 if end != "late" else 143


def search(folder: Path, url: str, trials: int, jobs: int, **fixed: float) -> None:
    """Works on a study of fake runs until it has finished or is interrupted."""
    from seqvise.launching.pool import Pool
    from seqvise.tuning.driver import Driver
    from seqvise.tuning.options import TuneOptions
    from seqvise.tuning.space import FloatRange, Parameter
    from seqvise.tuning.study import Plan, open_study

    options = TuneOptions(trials=trials, jobs=jobs, sampler="random", sampler_seed=0, pruner="none")
    plan = Plan((Parameter("x", FloatRange(0.0, 1.0)),), METRIC, "max", None, ())
    study = open_study("fake", url, plan, options, heartbeat=1)

    def fake(values: Mapping[str, Any], seed: int | None, run_folder: Path) -> list[str]:
        return command({**values, **fixed}, seed, run_folder)

    Driver(study, plan, options, folder, fake, Pool(jobs, []), heartbeat=1, poll=0.02).run()


if __name__ == "__main__":
    if sys.argv[1] == "search":
        folder, url, trials, jobs, steps, pause = sys.argv[2:]
        search(Path(folder), url, int(trials), int(jobs), steps=int(steps), pause=float(pause))
    else:
        sys.exit(run(Path(sys.argv[1]), dict(arg.split("=", 1) for arg in sys.argv[2:])))
