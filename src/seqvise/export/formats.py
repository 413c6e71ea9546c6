"""The kinds of files that a part can be written to, and run from."""

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
"""The oldest that torch's exporter writes; every onnxruntime of the last years reads it."""

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
    write: Callable[[ExportPart, Mapping[str, Shape], Path], None]
    load: Callable[[Path], Program]


def refuse_old_torch() -> None:
    """Refuses a torch whose exporters cannot write the formats.

    Raises:
        UserError: it is too old.
    """
    arguments = inspect.signature(torch.export.export).parameters
    if "prefer_deferred_runtime_asserts_over_guards" not in arguments or not hasattr(torch.onnx, "ops"):
        raise UserError(
            f"export: torch is {torch.__version__}, whose exporters are too old: install torch 2.9 or later."
        )


def write_torch(part: ExportPart, shapes: Mapping[str, Shape], path: Path) -> None:
    """Writes the part as a package of ``torch.export``; its inputs are keywords.

    Raises:
        UserError: the model does what ``torch.export`` cannot follow.
    """
    with torch.no_grad(), _any_size():
        try:
            program = torch.export.export(
                part.module,
                (),
                part.inputs,
                dynamic_shapes=_growing(part, shapes),
                prefer_deferred_runtime_asserts_over_guards=True,
            )
        except Exception as error:  # torch.export has many
            raise _refused("torch", part, error) from error
    _remove_asserts(program)
    torch.export.save(program, path)


def _growing(part: ExportPart, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """By input the axes that may grow, as ``torch.export`` takes them."""
    hint = torch.export.Dim.DYNAMIC
    return {
        name: {place: hint for place, size in enumerate(shapes[name]) if isinstance(size, str)} for name in part.inputs
    }


def write_onnx(part: ExportPart, shapes: Mapping[str, Shape], path: Path) -> None:
    """Writes the part as ONNX.

    Raises:
        UserError: the model does what ONNX has no operator for, or ``torch.export`` cannot follow.
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
                dynamic_shapes=_growing(part, shapes),
                opset_version=OPSET,
            )
        except torch.onnx.OnnxExporterError as error:
            raise _refused("onnx", part, error) from error
    _name_sizes(path, shapes)


def _name_sizes(path: Path, shapes: Mapping[str, Shape]) -> None:
    """Writes our names of the sizes into the file, where the exporter wrote its own."""
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
    """The part that ``write_torch`` wrote."""
    module = torch.export.load(path).module()

    def run(inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        with torch.no_grad():
            return tuple(module(**inputs))

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
    "torch": Format(".pt2", write_torch, load_torch),
}


def _any_size() -> AbstractContextManager[Any]:
    """Lets ``torch.export`` write programs that sizes of 0 and 1 fit as well, as its ONNX exporter does."""
    config: Any = importlib.import_module("torch.fx.experimental._config")
    patched: AbstractContextManager[Any] = config.patch(backed_size_oblivious=True)
    return patched


def _remove_asserts(program: torch.export.ExportedProgram) -> None:
    """Removes the checks that no size is 1: operators take such sizes, and each file is tried with them."""
    for module in program.graph_module.modules():  # a loop is a graph of its own
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
        "neither loop nor branch on the values of tensors."
    )
