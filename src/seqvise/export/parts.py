"""Splits a step model into two modules with plain tensors as inputs and outputs, with example inputs."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqvise.models.interface import BOS, EOS, PAD, UNK, SourceBatch, StepModel, map_tensors


def named_tensors(value: object, name: str) -> dict[str, Tensor]:
    """The tensors of a nested value by path, such as ``state_layers_0_keys``.

    Args:
        value: a tensor, None, or nested dataclasses, tuples and lists of them.
        name: the name of the value, the first part of each path.

    Raises:
        TypeError: the value contains a number or another object that is not a tensor.
    """
    if isinstance(value, Tensor):
        return {name: value}
    tensors: dict[str, Tensor] = {}
    for part, inner in _parts(value, name).items():
        tensors |= named_tensors(inner, f"{name}_{part}")
    return tensors


def _parts(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return dict(zip(getattr(value, "_fields", map(str, range(len(value)))), value, strict=True))
    raise TypeError(f"{name} is a {type(value).__name__}, but state and memory must consist of tensors")


STATE, NEXT, MEMORY = "state", "next_state", "memory"
"""Prefixes of names: state of a step, state after the step, and memory, which is the same for all steps."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of an example."""

    sentences: int = 2  # B
    source_length: int = 5  # S, words of the longest source, including ``EOS``
    hypotheses: int = 2  # rows per sentence; N is B times this number
    steps: int = 1  # steps before the example

    def __str__(self) -> str:
        rows = f"{self.hypotheses} hypotheses each, {self.steps} words generated"
        return f"{self.sentences} sentences of up to {self.source_length} words, {rows}"


BASE = Sizes()
VARIED = {
    "rows": replace(BASE, hypotheses=3),
    "batch": replace(BASE, sentences=3),
    "source": replace(BASE, source_length=7),
    "said": replace(BASE, steps=2),
}
"""The sizes that differ from ``BASE`` in one axis, by the name of the axis. More sentences also give more rows, so
``rows`` comes first."""

SHAPE: Any = Tensor.shape  # a property, but mypy infers the type of its value

Shape = tuple[int | str, ...]
"""Fixed sizes as numbers, variable sizes as names."""


class EncoderModule(nn.Module):
    """Maps the source to the memory and the initial state."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """ids: (B, S) int64, lengths: (B,) int64."""
        model = _steps(self.model)
        memory = model.encode(SourceBatch(ids, lengths))
        state = named_tensors(model.init(memory), STATE).values()
        # The initial state can share tensors with the memory, but a file needs a separate tensor per output.
        return (*named_tensors(memory, MEMORY).values(), *(part.clone() for part in state))


class StepModule(nn.Module):
    """Maps the last words, state and memory to logits, attention if the model has it, and the next state.

    Args:
        model: a model with the step interface.
        state, memory: examples. Tensors that are not passed to ``forward`` keep the values of the examples.
    """

    def __init__(self, model: nn.Module, state: object, memory: object) -> None:
        super().__init__()
        self.model = model
        self.form = (state, memory)

    def forward(self, tokens: Tensor, **tensors: Tensor) -> tuple[Tensor, ...]:
        """tokens: (N,) int64; tensors: state and memory by name."""
        values = iter((_named(*self.form) | tensors).values())
        state, memory = map_tensors(lambda _: next(values), self.form)
        stepped = _steps(self.model).step(tokens, state, memory)
        attention = () if stepped.attention is None else (stepped.attention,)
        return (stepped.logits, *attention, *named_tensors(stepped.state, NEXT).values())


@dataclass(frozen=True)
class ExportPart:
    """A part of the model that is exported to one file."""

    name: str  # name of the file, without suffix
    module: nn.Module  # takes inputs by name and returns outputs in order
    inputs: dict[str, Tensor]  # example inputs by name
    outputs: tuple[str, ...]  # names of the outputs

    def run(self) -> dict[str, Tensor]:
        """The outputs for the example inputs, by name."""
        return dict(zip(self.outputs, self.module(**self.inputs), strict=True))


@torch.no_grad()
def make_parts(
    model: nn.Module, vocab_size: int, sizes: Sizes = BASE, step_inputs: Sequence[str] | None = None
) -> tuple[ExportPart, ExportPart]:
    """The encoder and the decoder step of a model as parts.

    Args:
        model: a model with the step interface, in evaluation mode.
        vocab_size: size of the source vocabulary, for the example.
        sizes: sizes of the example.
        step_inputs: inputs of the step other than tokens, from ``step_input_names``; None for all.

    Raises:
        TypeError: the model's state or memory contains an object that is not a tensor.
    """
    steps, source = _steps(model), example_source(vocab_size, sizes)
    memory = steps.encode(source)
    rows = torch.arange(sizes.sentences).repeat_interleave(sizes.hypotheses)
    state, tokens = steps.reorder(steps.init(memory), rows), torch.full_like(rows, BOS)
    for _ in range(sizes.steps):
        output = steps.step(tokens, state, memory)
        state, tokens = output.state, output.logits.argmax(1)
    output = steps.step(tokens, state, memory)
    available = _named(state, memory)
    step_inputs = tuple(available) if step_inputs is None else step_inputs
    outputs = ("logits", *(() if output.attention is None else ("attention",)))
    encoder = ExportPart(
        "encoder",
        EncoderModule(model).eval(),
        {"ids": source.ids, "lengths": source.lengths},
        (*named_tensors(memory, MEMORY), *named_tensors(state, STATE)),
    )
    step = ExportPart(
        "step",
        StepModule(model, state, memory).eval(),
        # A state can hold one tensor twice, as for input feeding, but a program needs separate input tensors.
        {"tokens": tokens, **{name: available[name].clone() for name in step_inputs}},
        (*outputs, *named_tensors(output.state, NEXT)),
    )
    return encoder, step


@torch.no_grad()
def step_input_names(model: nn.Module, vocab_size: int) -> tuple[str, ...]:
    """The names of state and memory tensors that a step uses; some are used for the initial state only."""
    _, step = make_parts(model, vocab_size)
    with ReadTensors() as recorder:
        outputs = step.module(**step.inputs)
    recorder.record(outputs)
    return tuple(name for name, tensor in step.inputs.items() if tensor in recorder and name != "tokens")


@torch.no_grad()
def without_unused_weights(part: ExportPart) -> ExportPart:
    """A copy of the part without unused weights: those of the decoder in an encoder, and vice versa."""
    with ReadTensors() as recorder:
        part.module(**part.inputs)
    weights = (*part.module.parameters(), *part.module.buffers())
    memo: dict[int, Any] = {id(weight): weight if weight in recorder else _emptied(weight) for weight in weights}
    return replace(part, module=deepcopy(part.module, memo))


def _emptied(weight: Tensor) -> Tensor:
    empty = weight.new_empty(0)
    return nn.Parameter(empty, requires_grad=False) if isinstance(weight, nn.Parameter) else empty


class ReadTensors(TorchFunctionMode):
    """Records the tensors that are arguments of torch functions, and those whose shape is read."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: dict[int, Tensor] = {}

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self.tensors

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        attribute = getattr(function, "__name__", "") == "__get__"
        if not attribute or function == SHAPE.__get__:
            self.record((args, kwargs or {}))
        return function(*args, **(kwargs or {}))

    def record(self, values: object) -> None:
        """Records the tensors in nested lists, tuples and mappings."""
        if isinstance(values, Tensor):
            self.tensors[id(values)] = values
        elif isinstance(values, (list, tuple)):
            for value in values:
                self.record(value)
        elif isinstance(values, dict):
            self.record(list(values.values()))


def _named(state: object, memory: object) -> dict[str, Tensor]:
    return named_tensors(state, STATE) | named_tensors(memory, MEMORY)


def example_source(vocab_size: int, sizes: Sizes) -> SourceBatch:
    """Sentences of decreasing length, each shorter by one word, down to ``EOS`` alone."""
    lengths = (sizes.source_length - torch.arange(sizes.sentences)).clamp(min=1)
    ids = UNK + 7 * torch.arange(sizes.sentences * sizes.source_length).view(sizes.sentences, -1) % (vocab_size - UNK)
    steps = torch.arange(sizes.source_length)
    last = (lengths - 1).unsqueeze(1)
    return SourceBatch(ids.masked_fill(steps == last, EOS).masked_fill(steps > last, PAD), lengths)


def shapes(model: nn.Module, vocab_size: int, step_inputs: Sequence[str]) -> dict[str, dict[str, Shape]]:
    """The shapes of all inputs and outputs by part; variable sizes have the names of ``VARIED``."""
    base = _sizes_of(model, vocab_size, BASE, step_inputs)
    varied = {axis: _sizes_of(model, vocab_size, sizes, step_inputs) for axis, sizes in VARIED.items()}
    return {
        part: {
            name: _shape(name, size, {axis: sizes[part][name] for axis, sizes in varied.items()})
            for name, size in base_sizes.items()
        }
        for part, base_sizes in base.items()
    }


def _shape(name: str, base: torch.Size, varied: dict[str, torch.Size]) -> Shape:
    shape: list[int | str] = list(base)
    for axis, size in enumerate(base):
        if variable := [axis_name for axis_name, sizes in varied.items() if sizes[axis] != size]:
            shape[axis] = f"{variable[0]} + 1" if variable[0] == "said" and name.startswith(NEXT) else variable[0]
    return tuple(shape)


@torch.no_grad()
def _sizes_of(
    model: nn.Module, vocab_size: int, sizes: Sizes, step_inputs: Sequence[str]
) -> dict[str, dict[str, torch.Size]]:
    parts = make_parts(model, vocab_size, sizes, step_inputs)
    tensors = {part.name: {**part.inputs, **part.run()} for part in parts}
    return {part: {name: value.shape for name, value in values.items()} for part, values in tensors.items()}


def _steps(model: nn.Module) -> StepModel[Any, Any]:
    """The model with its type. Without this call the ONNX exporter captures models whose sizes are fixed numbers."""
    return cast(StepModel[Any, Any], model)
