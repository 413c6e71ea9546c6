"""The export formats: how a part is written to a file, and loaded and run from it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqvise.errors import UserError
from seqvise.export.parts import ExportPart, Shape

OPSET = 18
"""The oldest opset of torch's exporter, supported by every onnxruntime of the last years."""

Program = Callable[[dict[str, Tensor]], tuple[Tensor, ...]]
"""Maps inputs by name, in the order of the part, to the outputs."""


class Format(NamedTuple):
    """A file format."""

    suffix: str  # file name suffix
    # writes a part with the given shapes of inputs and outputs to a path
    write: Callable[[ExportPart, Mapping[str, Shape], Path], None]
    load: Callable[[Path], Program]  # loads the file as another program would


def refuse_old_torch() -> None:
    """Checks that the exporters of torch support the formats.

    Raises:
        UserError: torch is too old.
    """
    arguments = inspect.signature(torch.export.export).parameters
    if "prefer_deferred_runtime_asserts_over_guards" not in arguments or not hasattr(torch.onnx, "ops"):
        raise UserError(
            f"export: torch is {torch.__version__}, whose exporters are too old: install torch 2.9 or later."
        )


def write_torch(part: ExportPart, shapes: Mapping[str, Shape], path: Path) -> None:
    """Writes the part as a package of ``torch.export`` with keyword inputs.

    Raises:
        UserError: ``torch.export`` does not support an operation of the model.
    """
    with torch.no_grad(), _any_size():
        try:
            program = torch.export.export(
                part.module,
                (),
                part.inputs,
                dynamic_shapes=_dynamic_axes(part, shapes),
                prefer_deferred_runtime_asserts_over_guards=True,
            )
        except Exception as error:  # torch.export raises many classes
            raise _refused("torch", part, error) from error
    _remove_asserts(program)
    torch.export.save(program, path)


def _dynamic_axes(part: ExportPart, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """The dynamic axes of each input, in the form of ``torch.export``."""
    dynamic = torch.export.Dim.DYNAMIC
    return {
        name: {axis: dynamic for axis, size in enumerate(shapes[name]) if isinstance(size, str)} for name in part.inputs
    }


def write_onnx(part: ExportPart, shapes: Mapping[str, Shape], path: Path) -> None:
    """Writes the part as ONNX.

    Raises:
        UserError: ONNX or ``torch.export`` does not support an operation of the model.
    """
    with torch.no_grad():
        try:
            torch.onnx.export(
                part.module,
                (),
                str(path),
                kwargs=part.inputs,
                dynamo=True,
                verbose=False,
                external_data=False,
                input_names=list(part.inputs),
                output_names=list(part.outputs),
                dynamic_shapes=_dynamic_axes(part, shapes),
                opset_version=OPSET,
            )
        except torch.onnx.OnnxExporterError as error:
            raise _refused("onnx", part, error) from error
    _name_sizes(path, shapes)


def _name_sizes(path: Path, shapes: Mapping[str, Shape]) -> None:
    """Replaces the exporter's names of dynamic sizes by those of the manifest."""
    import onnx

    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        for axis, size in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            if isinstance(size, int):
                axis.dim_value = size
            else:
                axis.dim_param = size
    onnx.checker.check_model(model)
    onnx.save(model, path)


def load_torch(path: Path) -> Program:
    """Loads a file of ``write_torch``."""
    module = torch.export.load(path).module()

    def run(inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        with torch.no_grad():
            return tuple(module(**inputs))

    return run


def load_onnx(path: Path) -> Program:
    """Loads a file of ``write_onnx`` in onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        outputs = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        return tuple(map(torch.from_numpy, outputs))

    return run


FORMATS = {
    "onnx": Format(".onnx", write_onnx, load_onnx),
    "torch": Format(".pt2", write_torch, load_torch),
}


def _any_size() -> AbstractContextManager[Any]:
    """Makes ``torch.export`` support sizes of 0 and 1, as its ONNX exporter does."""
    config: Any = importlib.import_module("torch.fx.experimental._config")
    patched: AbstractContextManager[Any] = config.patch(backed_size_oblivious=True)
    return patched


def _remove_asserts(program: torch.export.ExportedProgram) -> None:
    """Removes the assertions that no size is 1: operators support it, and each file is checked with such sizes."""
    for module in program.graph_module.modules():  # a loop is a separate graph
        if not isinstance(module, torch.fx.GraphModule):
            continue
        for node in list(module.graph.nodes):
            if node.target is torch.ops.aten._assert_scalar.default:
                module.graph.erase_node(node)
        module.graph.eliminate_dead_code()
        module.recompile()


def _refused(kind: str, part: ExportPart, error: Exception) -> UserError:
    reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return UserError(
        f"format={kind} cannot write the {part.name} of this model ({reason}): take sizes from tensor.shape, and "
        "do not loop or branch on the values of tensors."
    )
