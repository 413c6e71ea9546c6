"""A step model as two modules that take and give plain tensors, with examples of their inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqvise.models.interface import BOS, EOS, PAD, UNK, SourceBatch, StepModel, StepOutput

ValueT = TypeVar("ValueT")


def named_tensors(value: object, name: str) -> dict[str, Tensor]:
    """The tensors in a value, each under the path to it: ``state_layers_0_keys``.

    Args:
        value: nested as the module says; None holds nothing.
        name: of the value itself, before the first ``_``.

    Raises:
        TypeError: a number or anything else that is no tensor.
    """
    if isinstance(value, Tensor):
        return {name: value}
    found: dict[str, Tensor] = {}
    for part, inner in _parts(value, name).items():
        found |= named_tensors(inner, f"{name}_{part}")
    return found


def filled(value: ValueT, tensors: Iterator[Tensor]) -> ValueT:
    """A value of the same form with other tensors, taken in the order of ``named_tensors``."""
    return _filled(value, tensors)  # type: ignore[no-any-return]


def _filled(value: Any, tensors: Iterator[Tensor]) -> Any:
    if value is None:
        return None
    if isinstance(value, Tensor):
        return next(tensors)
    parts = [_filled(inner, tensors) for inner in _parts(value, "").values()]
    made = type(value)
    return made(parts) if made in (tuple, list) else made(*parts)


def _parts(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return dict(zip(getattr(value, "_fields", map(str, range(len(value)))), value, strict=True))
    raise TypeError(f"{name} is a {type(value).__name__}, but what passes from step to step must be tensors")


STATE, NEXT, MEMORY = "state", "next_state", "memory"
"""What names begin with: of a step's input, of the output that is the next step's input, of what stays."""


@dataclass(frozen=True)
class Sizes:
    """How large an example is.

    Attributes:
        sentences: B.
        words: S, of the longest source, its end mark included.
        hypotheses: rows of each sentence, so that N is B times as many.
        said: steps made before.
    """

    sentences: int = 2
    words: int = 5
    hypotheses: int = 2
    said: int = 1

    def __str__(self) -> str:
        rows = f"{self.hypotheses} hypotheses each, {self.said} words said"
        return f"{self.sentences} sentences of up to {self.words} words, {rows}"


BASE = Sizes()
VARIED = {
    "rows": replace(BASE, hypotheses=3),
    "batch": replace(BASE, sentences=3),
    "source": replace(BASE, words=7),
    "said": replace(BASE, said=2),
}
"""By what grows in them. Rows come first: where there are more sentences there are more rows, too."""

SHAPE: Any = Tensor.shape  # a property, but mypy sees its value

Shape = tuple[int | str, ...]
"""Numbers, and names where any number will do."""


class EncoderModule(nn.Module):
    """From a source to the memory and the first state."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """ids: (B, S) int64, lengths: (B,) int64."""
        model = _steps(self.model)
        memory = model.encode(SourceBatch(ids, lengths))
        state = named_tensors(model.init(memory), STATE).values()
        # A state may begin as a part of the memory, but a file has no two names for one tensor.
        return (*named_tensors(memory, MEMORY).values(), *(part.clone() for part in state))


class StepModule(nn.Module):
    """From the words said last, a state and a memory to logits, attention where there is one, and the next state.

    Args:
        model: with the step interface.
        state, memory: examples of the form of each. A tensor that ``forward`` does not get stays as in the examples.
    """

    def __init__(self, model: nn.Module, state: object, memory: object) -> None:
        super().__init__()
        self.model = model
        self.form = (state, memory)

    def forward(self, tokens: Tensor, **tensors: Tensor) -> tuple[Tensor, ...]:
        """tokens: (N,) int64, tensors: those read, by name."""
        state, memory = filled(self.form, iter((_named(*self.form) | tensors).values()))
        stepped = _steps(self.model).step(tokens, state, memory)
        attention = () if stepped.attention is None else (stepped.attention,)
        return (stepped.logits, *attention, *named_tensors(stepped.state, NEXT).values())


@dataclass(frozen=True)
class ExportPart:
    """What becomes one file.

    Attributes:
        name: of the file.
        module: takes the inputs by name and gives the outputs in their order.
        inputs: examples by name.
        outputs: names.
    """

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]

    def run(self) -> dict[str, Tensor]:
        """The outputs for the examples, by name."""
        return dict(zip(self.outputs, self.module(**self.inputs), strict=True))


@dataclass(frozen=True)
class Example:
    """A step of a model.

    Attributes:
        source: (B, S) what was encoded.
        memory: of it.
        tokens: (N,) int64, the words said last.
        state: before the step.
        output: of the step.
    """

    source: SourceBatch
    memory: Any
    tokens: Tensor
    state: Any
    output: StepOutput[Any]


@torch.no_grad()
def make_parts(
    model: nn.Module, words: int, sizes: Sizes = BASE, read: Sequence[str] | None = None
) -> tuple[ExportPart, ExportPart]:
    """The encoder and the step of a model.

    Args:
        model: with the step interface, in evaluation mode.
        words: of the source vocabulary, from which the example is made.
        sizes: of the example.
        read: what the step takes beside tokens, from ``read_by_step``; None is all there is.

    Raises:
        TypeError: the model's state or memory holds what is no tensor.
    """
    seen = _example(_steps(model), example_source(words, sizes), sizes)
    there = _named(seen.state, seen.memory)
    read = tuple(there) if read is None else read
    given = ("logits", *(() if seen.output.attention is None else ("attention",)))
    encoder = ExportPart(
        "encoder",
        EncoderModule(model).eval(),
        {"ids": seen.source.ids, "lengths": seen.source.lengths},
        (*named_tensors(seen.memory, MEMORY), *named_tensors(seen.state, STATE)),
    )
    step = ExportPart(
        "step",
        StepModule(model, seen.state, seen.memory).eval(),
        # A state may hold one tensor twice, as for input feeding, but the inputs of a program are different tensors.
        {"tokens": seen.tokens, **{name: there[name].clone() for name in read}},
        (*given, *named_tensors(seen.output.state, NEXT)),
    )
    return encoder, step


@torch.no_grad()
def read_by_step(model: nn.Module, words: int) -> tuple[str, ...]:
    """The parts of state and memory that a step reads: where a decoder begins, it reads once."""
    _, step = make_parts(model, words)
    with ReadTensors() as reads:
        outputs = step.module(**step.inputs)
    reads.note(outputs)
    return tuple(name for name, tensor in step.inputs.items() if tensor in reads and name != "tokens")


@torch.no_grad()
def with_read_weights(part: ExportPart) -> ExportPart:
    """The part without the weights that it does not read: those of the decoder in an encoder, and the reverse."""
    with ReadTensors() as reads:
        part.module(**part.inputs)
    weights = (*part.module.parameters(), *part.module.buffers())
    memo: dict[int, Any] = {id(weight): weight if weight in reads else _emptied(weight) for weight in weights}
    return replace(part, module=deepcopy(part.module, memo))


def _emptied(weight: Tensor) -> Tensor:
    empty = weight.new_empty(0)
    return nn.Parameter(empty, requires_grad=False) if isinstance(weight, nn.Parameter) else empty


class ReadTensors(TorchFunctionMode):
    """Notes the tensors that torch's functions read, and those whose shape is read."""

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
            self.note((args, kwargs or {}))
        return function(*args, **(kwargs or {}))

    def note(self, values: object) -> None:
        """Notes the tensors in nested lists, tuples and mappings."""
        if isinstance(values, Tensor):
            self.tensors[id(values)] = values
        elif isinstance(values, (list, tuple)):
            for value in values:
                self.note(value)
        elif isinstance(values, dict):
            self.note(list(values.values()))


def _named(state: object, memory: object) -> dict[str, Tensor]:
    return named_tensors(state, STATE) | named_tensors(memory, MEMORY)


def _example(model: StepModel[Any, Any], source: SourceBatch, sizes: Sizes) -> Example:
    memory = model.encode(source)
    rows = torch.arange(sizes.sentences).repeat_interleave(sizes.hypotheses)
    state, tokens = model.reorder(model.init(memory), rows), torch.full_like(rows, BOS)
    for _ in range(sizes.said):
        said = model.step(tokens, state, memory)
        state, tokens = said.state, said.logits.argmax(1)
    return Example(source, memory, tokens, state, model.step(tokens, state, memory))


def example_source(words: int, sizes: Sizes) -> SourceBatch:
    """Sentences of different lengths, the first the longest, each shorter by one down to its end mark alone."""
    lengths = (sizes.words - torch.arange(sizes.sentences)).clamp(min=1)
    ids = UNK + 7 * torch.arange(sizes.sentences * sizes.words).view(sizes.sentences, -1) % (words - UNK)
    steps = torch.arange(sizes.words)
    last = (lengths - 1).unsqueeze(1)
    return SourceBatch(ids.masked_fill(steps == last, EOS).masked_fill(steps > last, PAD), lengths)


def shapes(model: nn.Module, words: int, read: Sequence[str]) -> dict[str, dict[str, Shape]]:
    """For each part the shape of every input and output, with the names of ``VARIED`` for what may grow."""
    usual = _sizes_of(model, words, BASE, read)
    varied = {axis: _sizes_of(model, words, sizes, read) for axis, sizes in VARIED.items()}
    return {
        part: {name: _shape(name, size, {axis: of[part][name] for axis, of in varied.items()}) for name, size in found}
        for part, found in ((part, sizes.items()) for part, sizes in usual.items())
    }


def _shape(name: str, usual: torch.Size, varied: dict[str, torch.Size]) -> Shape:
    shape: list[int | str] = list(usual)
    for place, size in enumerate(usual):
        if grows := [axis for axis, found in varied.items() if found[place] != size]:
            shape[place] = f"{grows[0]} + 1" if grows[0] == "said" and name.startswith(NEXT) else grows[0]
    return tuple(shape)


@torch.no_grad()
def _sizes_of(model: nn.Module, words: int, sizes: Sizes, read: Sequence[str]) -> dict[str, dict[str, torch.Size]]:
    parts = make_parts(model, words, sizes, read)
    tensors = {part.name: {**part.inputs, **part.run()} for part in parts}
    return {part: {name: value.shape for name, value in found.items()} for part, found in tensors.items()}


def _steps(model: nn.Module) -> StepModel[Any, Any]:
    return cast(StepModel[Any, Any], model)
