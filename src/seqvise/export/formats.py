"""The kinds of files that a part can be written to, and run from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from seqvise.errors import UserError
from seqvise.export.parts import Part, Shape, traced

OPSET = 17
"""The newest that both the exporter of torch 2.6 and onnxruntime 1.14 know."""

Program = Callable[[dict[str, Tensor]], tuple[Tensor, ...]]
"""From inputs by name, in the order of the part's, to the outputs."""


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        ending: of its name.
        write: writes a part, whose inputs and outputs have the shapes given, to a path.
        load: reads the file as another program would.
    """

    ending: str
    write: Callable[[Part, dict[str, Shape], Path], None]
    load: Callable[[Path], Program]


def write_torchscript(part: Part, _shapes: dict[str, Shape], path: Path) -> None:
    """Traces the part; tensors are told by their place."""
    # Freezing leaves out the weights that this part does not read.
    torch.jit.freeze(traced(part)).save(str(path))


def write_onnx(part: Part, shapes: dict[str, Shape], path: Path) -> None:
    """Writes the part's trace as ONNX.

    The exporter is the one that traces: the newer one, of ``torch.export``, unrolls recurrent layers to the example's
    length.

    Raises:
        UserError: the model does what ONNX has no operator for.
    """
    grows = {
        name: {at: size for at, size in enumerate(shape) if isinstance(size, str)} for name, shape in shapes.items()
    }
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                part.module,
                tuple(part.inputs.values()),
                str(path),
                dynamo=False,
                input_names=list(part.inputs),
                output_names=list(part.outputs),
                dynamic_axes=grows,
                opset_version=OPSET,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise UserError(
                f"format=onnx cannot write the {part.name} of this model ({str(error).splitlines()[0]}): "
                "take format=torchscript."
            ) from error
    _tell_sizes(path, shapes)


def _tell_sizes(path: Path, shapes: dict[str, Shape]) -> None:
    """Writes into the file the sizes that the exporter could not work out, for which it made up names."""
    import onnx

    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        for told, size in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            if isinstance(size, int):
                told.dim_value = size
    onnx.checker.check_model(model)
    onnx.save(model, path)


def load_torchscript(path: Path) -> Program:
    """The part that ``write_torchscript`` wrote."""
    module = torch.jit.load(str(path))

    def run(inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        with torch.no_grad():
            return tuple(module(*inputs.values()))

    return run


def load_onnx(path: Path) -> Program:
    """The part that ``write_onnx`` wrote, in onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        return tuple(map(torch.from_numpy, found))

    return run


FORMATS = {
    "onnx": Format(".onnx", write_onnx, load_onnx),
    "torchscript": Format(".pt", write_torchscript, load_torchscript),
}
