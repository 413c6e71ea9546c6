"""Continuation of prompts by a language model, with the step interface of translation models.

The source is the prompt; any strategy of decoding then continues it.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from seqvise.models.awd_lstm.model import AwdLstm, StreamState
from seqvise.models.interface import BOS, PAD, UNK, SourceBatch, StepOutput


class PromptState(NamedTuple):
    """The state after the last token.

    Attributes:
        layers: of the recurrent layers.
        outputs: (N, D), after a prompt, from which the first token is predicted; None after a generated token.
    """

    layers: StreamState
    outputs: Tensor | None


class PromptedModel:
    """A language model that continues prompts. Words that are never generated (``<bos>``, ``<pad>`` and
    ``<unk>``) have probability 0.

    Args:
        model: in evaluation mode.
    """

    def __init__(self, model: AwdLstm) -> None:
        self.model = model

    def encode(self, src: SourceBatch) -> PromptState:
        """The state after the prompts, which are of equal length and begin with ``EOS``, as documents in training."""
        output = self.model(src.ids)
        return PromptState(output.state, output.outputs[:, -1])

    def init(self, memory: PromptState) -> PromptState:
        """The state after the prompts."""
        return memory

    def step(self, tokens: Tensor, state: PromptState, memory: PromptState) -> StepOutput[PromptState]:
        """Predicts the next token; the first one follows the prompt, and ``tokens`` are not read."""
        layers, outputs = state
        if outputs is None:
            output = self.model(tokens.unsqueeze(1), layers)
            layers, outputs = output.state, output.outputs[:, -1]
        logits = self.model.generator(outputs).float()
        logits[:, [BOS, PAD, UNK]] = float("-inf")
        return StepOutput(logits, PromptState(layers, None), None)

    def reorder(self, state: PromptState, rows: Tensor) -> PromptState:
        """The state of the selected rows."""
        layers = tuple(tuple(part[rows] for part in layer) for layer in state.layers)
        return PromptState(layers, None if state.outputs is None else state.outputs[rows])

    def select(self, memory: PromptState, rows: Tensor) -> PromptState:
        """The memory of the selected prompts."""
        return self.reorder(memory, rows)
