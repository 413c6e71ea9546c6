"""What can be chosen about an export. Without torch, so that a wrong choice is refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

PACKAGES = {"onnx": ("onnx", "onnxruntime"), "torchscript": ()}
"""By format, what it needs beside torch."""


@dataclass(frozen=True)
class ExportOptions:
    """What `seqvise export` is told."""

    run: Annotated[Path, "the run directory whose best checkpoint is exported"]
    output: Annotated[Path, "the new folder"]
    format: Annotated[str, "onnx | torchscript, what the files are"] = "onnx"
    trust: Annotated[bool, "load classes of other packages that the run's config names: they run code"] = False

    def problems(self) -> Iterator[str]:
        """Sentences about values that cannot be right."""
        if self.format not in PACKAGES:
            yield f"format is '{self.format}', but must be one of {', '.join(PACKAGES)}."
        missing = [name for name in PACKAGES.get(self.format, ()) if find_spec(name) is None]
        if missing:
            yield (
                f"format={self.format} needs {' and '.join(missing)}, not installed here: "
                "`pip install 'seqvise[onnx]'`, or take format=torchscript."
            )
        if self.output.exists():
            yield f"output={self.output} is there already: delete it, or give the name of a new folder."
