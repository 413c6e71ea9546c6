"""Options of AWD-LSTM language models and of classifiers based on one. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from seqvise.models.options import ACTIVATIONS, CELLS, ScaledDropoutOptions
from seqvise.options import Options, Problem, at_least, one_of


@dataclass
class StreamDropoutOptions(ScaledDropoutOptions):
    """Dropout probabilities of an AWD-LSTM (Merity et al. 2018, section 4)."""

    words: float = 0.1  # whole words, everywhere in a batch
    input: float = 0.4  # word vectors
    hidden: float = 0.25  # between layers
    output: float = 0.4  # the last layer's outputs
    weights: float = 0.5  # entries of the recurrent matrices, the same for all steps of a batch


@dataclass
class ClassifierDropoutOptions(StreamDropoutOptions):
    """Dropout probabilities of the encoder and of the classifier's layers."""

    words: float = 0.05
    hidden: float = 0.3
    pooled: float = 0.1  # the vector of a document
    head: float = 0.1  # the hidden layer after it


@dataclass
class EncoderOptions(Options):
    """Word vectors and recurrent layers, and how they are trained in stages."""

    cell: str = "lstm"
    embedding: int = 400  # width of the word vectors and of the last layer
    hidden: int = 1150  # width of the other layers
    layers: int = 3
    encoder: str | None = None  # a run whose word vectors and layers initialise this model
    unfreeze: list[int] | None = None  # first epochs in which the groups are trained, beginning with the last group
    group_rates: list[float] | None = None  # factors on the rate of each group, beginning with the first
    activation: float = 2.0  # weight of the squared outputs (AR)
    temporal: float = 1.0  # weight of the squared differences of successive outputs (TAR)

    def validate(self) -> Iterator[Problem]:
        yield from one_of(self, cell=CELLS)
        yield from at_least(self, 1, "embedding", "hidden", "layers")
        yield from at_least(self, 0, "activation", "temporal")
        yield from self._validate_stages()

    def group_count(self) -> int:
        """The number of parameter groups."""
        raise NotImplementedError

    def _validate_stages(self) -> Iterator[Problem]:
        count, epochs, rates = self.group_count(), self.unfreeze, self.group_rates
        if epochs is not None and not (
            1 <= len(epochs) <= count and epochs[0] == 0 and all(a <= b for a, b in pairwise(epochs))
        ):
            yield (
                "unfreeze",
                f"is {list(epochs)}, but must be 1 to {count} epochs: 0 for the last group, then none before the one "
                "to its left; null trains all groups from the start.",
            )
        if rates is not None and (len(rates) != count or min(rates) < 0):
            yield "group_rates", f"is {list(rates)}, but must be {count} factors of 0 or more, one per group, or null."


@dataclass
class LanguageModelOptions(EncoderOptions):
    """An AWD-LSTM language model."""

    _target_: str = "seqvise.models.awd_lstm.model.AwdLstm"
    task: str = "seqvise.tasks.language_model.LanguageModel"
    tie_output: bool = True  # the projection's weight is the embedding
    adaptive: list[int] | None = None  # frequency ranks at which the clusters of the softmax begin
    dropout: StreamDropoutOptions = field(default_factory=StreamDropoutOptions)
    rescale_rate: bool = True  # the rate of a step is multiplied by its length / data.bptt

    def group_count(self) -> int:
        """One group per layer, and one for the word vectors with the projection."""
        return self.layers + 1

    def validate(self) -> Iterator[Problem]:
        yield from super().validate()
        if self.adaptive is not None and not (self.adaptive and all(a < b for a, b in pairwise((0, *self.adaptive)))):
            yield "adaptive", f"is {list(self.adaptive)}, but must be rising numbers of words, or null."


@dataclass
class ClassifierOptions(EncoderOptions):
    """A document classifier with an AWD-LSTM encoder (Howard and Ruder 2018)."""

    _target_: str = "seqvise.models.awd_lstm.classifier.TextClassifier"
    task: str = "seqvise.tasks.classification.Classification"
    head: int = 50  # width of the hidden layer between a document's vector and the labels
    head_activation: str = "relu"
    window: int = 70  # tokens through which gradients are propagated
    span: int = 1400  # tokens from the end of a batch whose outputs have gradients
    dropout: ClassifierDropoutOptions = field(default_factory=ClassifierDropoutOptions)

    def group_count(self) -> int:
        """One group for the word vectors, one per layer, and one for the head."""
        return self.layers + 2

    def validate(self) -> Iterator[Problem]:
        yield from super().validate()
        yield from at_least(self, 1, "head", "window", "span")
        yield from one_of(self, head_activation=ACTIVATIONS)
