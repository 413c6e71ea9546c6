"""Options of an export. Without torch, so that a wrong value is refused before torch is imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from seqvise.options import Options, Problem, one_of

PACKAGES = {"onnx": ("onnx", "onnxruntime", "onnxscript"), "torch": ()}
"""For each format the packages that it needs beside torch."""


@dataclass(frozen=True)
class ExportOptions(Options):
    """Keys of `seqvise export`."""

    run: Annotated[Path, "the run directory whose best checkpoint is exported"]
    output: Annotated[Path, "the new folder"]
    format: Annotated[str, "onnx | torch, format of the files"] = "onnx"
    trust: Annotated[bool, "allow classes of other packages in the run's config; this executes their code"] = False

    def validate(self) -> Iterator[Problem]:
        yield from one_of(self, format=PACKAGES)
        missing = [name for name in PACKAGES.get(self.format, ()) if find_spec(name) is None]
        if missing:
            yield (
                "format",
                f"is {self.format}, which needs {' and '.join(missing)}: `pip install 'seqvise[onnx]'`, or set "
                "format=torch.",
            )
        if self.output.exists():
            yield "output", f"is {self.output}, which already exists: delete it, or give the name of a new folder."
