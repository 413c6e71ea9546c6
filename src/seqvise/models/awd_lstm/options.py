"""What a person chooses about a language model, and about a classifier upon one. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise

from seqvise.models.options import ACTIVATIONS, CELLS, ScaledDropoutOptions


@dataclass
class StreamDropoutOptions(ScaledDropoutOptions):
    """Dropout probabilities of an AWD-LSTM (Merity et al. 2018, section 4)."""

    words: float = 0.1  # whole words, wherever they stand in a batch
    input: float = 0.4  # word vectors
    hidden: float = 0.25  # between layers
    output: float = 0.4  # the last layer's outputs
    weights: float = 0.5  # numbers of the recurrent matrices, the same for all steps of a batch

    def scaled(self, training: bool) -> StreamDropoutOptions:
        """The probabilities that act: multiplied by ``scale``, which then is 1, and 0 where not in training."""
        factor = self.scale if training else 0.0
        rates = {item.name: getattr(self, item.name) * factor for item in fields(self) if item.name != "scale"}
        return replace(self, scale=1.0, **rates)


@dataclass
class ClassifierDropoutOptions(StreamDropoutOptions):
    """The same, and those of the layers above."""

    pooled: float = 0.1  # what a document becomes
    head: float = 0.1  # the hidden layer above it


@dataclass
class EncoderOptions:
    """Recurrent layers that read words, and how they are trained in stages."""

    cell: str = "lstm"
    embedding: int = 400  # width of the word vectors and of the last layer
    hidden: int = 1150  # width of the other layers
    layers: int = 3
    encoder: str | None = None  # a run whose word vectors and layers are the start
    unfreeze: list[int] | None = None  # the epochs from which the groups are trained, the last group first
    group_rates: list[float] | None = None  # factors on the rate of the groups, the first group first
    activation: float = 2.0  # weight of the squares of the outputs
    temporal: float = 1.0  # weight of the squares of the outputs' changes

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        if self.cell not in CELLS:
            yield f"{key}.cell is '{self.cell}', but must be one of {', '.join(CELLS)}."
        for name in ("embedding", "hidden", "layers"):
            if getattr(self, name) < 1:
                yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        for name in ("activation", "temporal"):
            if getattr(self, name) < 0:
                yield f"{key}.{name} is {getattr(self, name)}, but cannot be negative."
        yield from self._problems_of_stages(key)

    def group_count(self) -> int:
        """How many groups the parameters are in."""
        raise NotImplementedError

    def _problems_of_stages(self, key: str) -> Iterator[str]:
        count, epochs, rates = self.group_count(), self.unfreeze, self.group_rates
        if epochs is not None and not (
            1 <= len(epochs) <= count and epochs[0] == 0 and all(a <= b for a, b in pairwise(epochs))
        ):
            yield (
                f"{key}.unfreeze is {list(epochs)}, but must be 1 to {count} epochs, the last group's first, which is "
                "0, and none before the one to its left; null trains all groups from the start."
            )
        if rates is not None and (len(rates) != count or min(rates) < 0):
            yield (
                f"{key}.group_rates is {list(rates)}, but must be {count} factors of 0 or more, one for each group, or "
                "null."
            )


@dataclass
class LanguageModelOptions(EncoderOptions):
    """An AWD-LSTM language model."""

    _target_: str = "seqvise.models.awd_lstm.model.AwdLstm"
    task: str = "seqvise.tasks.language_model.LanguageModel"
    tie_output: bool = True  # the projection's weight is the embedding
    adaptive: list[int] | None = None  # words from which less frequent ones are clusters of the softmax
    dropout: StreamDropoutOptions = field(default_factory=StreamDropoutOptions)
    rescale_rate: bool = True  # a step's rate is multiplied by its words over data.bptt

    def group_count(self) -> int:
        """Each layer, and last the word vectors with the projection."""
        return self.layers + 1

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        yield from super().problems(key)
        if self.adaptive is not None and not (self.adaptive and all(a < b for a, b in pairwise((0, *self.adaptive)))):
            yield f"{key}.adaptive is {list(self.adaptive)}, but must be rising numbers of words, or null."
        yield from self.dropout.problems(f"{key}.dropout")


@dataclass
class ClassifierOptions(EncoderOptions):
    """A classifier of documents upon an AWD-LSTM (Howard and Ruder 2018)."""

    _target_: str = "seqvise.models.awd_lstm.classifier.TextClassifier"
    task: str = "seqvise.tasks.classification.Classification"
    head: int = 50  # width of the layer between a document's vector and the labels
    head_activation: str = "relu"
    window: int = 70  # words that gradients go back through
    span: int = 1400  # words from a batch's end that gradients come from
    dropout: ClassifierDropoutOptions = field(default_factory=ClassifierDropoutOptions)

    def group_count(self) -> int:
        """The word vectors, each layer, and the head."""
        return self.layers + 2

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        yield from super().problems(key)
        for name in ("head", "window", "span"):
            if getattr(self, name) < 1:
                yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        if self.head_activation not in ACTIVATIONS:
            wanted = " or ".join(ACTIVATIONS)
            yield f"{key}.head_activation is '{self.head_activation}', but must be {wanted}."
        yield from self.dropout.problems(f"{key}.dropout")
