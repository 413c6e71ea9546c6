"""Options of recurrent translation models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seqvise.models.options import ACTIVATIONS, CELLS, ForcingOptions, ScaledDropoutOptions
from seqvise.options import NODE, Options, Problem, at_least, one_of

ATTENTIONS = ("none", "additive", "dot", "general")
PLACES = ("before", "after")
STARTS = ("last", "mean", "max", "concat_pool")


@dataclass
class DropoutOptions(ScaledDropoutOptions):
    """Dropout probabilities of a recurrent model."""

    source: float = 0.15  # embedded source words
    target: float = 0.0  # embedded target words
    encoder: float = 0.25  # between encoder layers
    state: float = 0.0  # final states of the encoder that initialise the decoder
    decoder: float = 0.1  # between decoder layers
    output: float = 0.35  # before the projection to the vocabulary
    words: float = 0.0  # whole words of both sides, everywhere in a batch
    weights: float = 0.0  # entries of the recurrent matrices, the same for all steps of a batch
    variational: bool = False  # one mask for all steps of a sentence in source, target, encoder, decoder and output


@dataclass
class PretrainedOptions(Options):
    """Runs of language models whose weights initialise a recurrent model."""

    source: str | None = None  # of the source language: word vectors, and the encoder's layers
    source_backwards: str | None = None  # trained with data.backwards=true: the layers that read from the end
    target: str | None = None  # of the target language: word vectors, projection, and the decoder's layers


@dataclass
class RecurrentOptions(Options):
    """A recurrent encoder-decoder: the plain fast.ai (2018) model, or with attention and other extensions."""

    _target_: str = "seqvise.models.recurrent.model.Recurrent"
    task: str = "seqvise.tasks.translation.TranslationTask"
    cell: str = "gru"
    embedding: int = 300  # width of the word vectors of both sides
    encoder_hidden: int = 256  # per direction
    encoder_layers: int = 2
    bidirectional: bool | str = False  # or `first`: only the first layer
    start: str = "last"  # initial state of the decoder: last state, mean or max of the outputs, or all concatenated
    attention: str = "none"
    attention_activation: str = "tanh"
    attention_place: str = "before"  # `before` the decoder's layers (Bahdanau) or `after` them (Luong)
    input_feeding: bool = False  # the decoder's first layer also reads the previous output
    decoder_hidden: int = 300
    decoder_layers: int = 2
    residual: bool = False  # from the second layer on, the input is added to the output
    layer_norm: bool = False  # of each layer's outputs
    tie_output: bool = True  # the projection's weight is the target embedding
    share_embeddings: bool = False  # one embedding for both sides, which then have one vocabulary
    readout: bool = False  # projection of tanh(W [state; context; embedding]) instead of only the state
    dropout: DropoutOptions = field(default_factory=DropoutOptions)
    teacher_forcing: ForcingOptions = field(default_factory=ForcingOptions)
    pretrained: PretrainedOptions = field(default_factory=PretrainedOptions)

    def validate(self) -> Iterator[Problem]:
        yield from one_of(self, cell=CELLS, start=STARTS, attention=ATTENTIONS)
        yield from one_of(self, attention_activation=ACTIVATIONS, attention_place=PLACES)
        yield from at_least(
            self, 1, "embedding", "encoder_hidden", "encoder_layers", "decoder_hidden", "decoder_layers"
        )
        if self.bidirectional not in (True, False, "first"):
            yield "bidirectional", f"is '{self.bidirectional}', but must be true, false or first."
        if self.pretrained.source_backwards is not None and not self.bidirectional:
            yield (
                "pretrained.source_backwards",
                f"is set, but no layer reads the source from its end: set {NODE}.bidirectional=true or first.",
            )
        if self.share_embeddings and self.pretrained.target is not None and self.pretrained.source is not None:
            yield (
                "pretrained",
                f"has a source and a target, but with {NODE}.share_embeddings there is one table of word vectors: set "
                "one of them to null.",
            )
        yield from self._validate_width()

    def _validate_width(self) -> Iterator[Problem]:
        if self.tie_output and self.output_size() != self.embedding:
            yield (
                "decoder_hidden",
                f"is {self.decoder_hidden} and {NODE}.embedding is {self.embedding}, but with {NODE}.tie_output they "
                f"must be equal: change one, or set {NODE}.readout=true or {NODE}.tie_output=false.",
            )
        memory = self.encoder_hidden * (2 if self.encoder_layers <= self.backward_layers() else 1)
        if self.attention == "dot" and memory != self.decoder_hidden:
            yield (
                "decoder_hidden",
                f"is {self.decoder_hidden} and the encoder's outputs are {memory} wide, but with {NODE}.attention=dot "
                f"they must be equal: change one, or set {NODE}.attention=general.",
            )

    def backward_layers(self) -> int:
        """The number of encoder layers, from the first, that also read the sentence from its end."""
        return 1 if self.bidirectional == "first" else self.encoder_layers * bool(self.bidirectional)

    def attends_after(self) -> bool:
        """Whether there is attention after the decoder's layers."""
        return self.attention != "none" and self.attention_place == "after"

    def output_size(self) -> int:
        """Width of the input of the projection to the vocabulary."""
        return self.embedding if self.readout or self.attends_after() else self.decoder_hidden
