"""Options of recurrent translation models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace

from seqvise.models.options import ACTIVATIONS, CELLS, ForcingOptions, ScaledDropoutOptions

ATTENTIONS = ("none", "additive", "dot", "general")
PLACES = ("before", "after")
STARTS = ("last", "mean", "max", "concat_pool")


@dataclass
class DropoutOptions(ScaledDropoutOptions):
    """Dropout probabilities of a recurrent model."""

    source: float = 0.15  # embedded source words
    target: float = 0.0  # embedded target words
    encoder: float = 0.25  # between encoder layers
    state: float = 0.0  # encoder states on their way to the decoder
    decoder: float = 0.1  # between decoder layers
    output: float = 0.35  # before the projection to words
    words: float = 0.0  # whole words of either side, wherever they stand in a batch
    weights: float = 0.0  # numbers of the recurrent matrices, the same for all steps of a batch
    variational: bool = False  # one mask for all steps of a sentence in source, target, encoder, decoder and output

    def scaled(self, training: bool) -> DropoutOptions:
        """The probabilities that act: multiplied by ``scale``, which then is 1, and 0 where not in training."""
        factor = self.scale if training else 0.0
        rates = [item.name for item in fields(self) if item.name not in ("scale", "variational")]
        return replace(self, scale=1.0, **{name: getattr(self, name) * factor for name in rates})


@dataclass
class PretrainedOptions:
    """Runs of language models that a recurrent model starts from."""

    source: str | None = None  # of the source language: word vectors, and the encoder's layers
    source_backwards: str | None = None  # with data.backwards=true: the layers that read from the end
    target: str | None = None  # of the target language: word vectors, projection, and the decoder's layers


@dataclass
class RecurrentOptions:
    """A recurrent encoder-decoder, from the lesson's plain model to all its tricks together."""

    _target_: str = "seqvise.models.recurrent.model.Recurrent"
    task: str = "seqvise.tasks.translation.TranslationTask"
    cell: str = "gru"
    embedding: int = 300  # width of both sides' word vectors
    encoder_hidden: int = 256  # a direction
    encoder_layers: int = 2
    bidirectional: bool | str = False  # or `first`: the first layer alone
    start: str = "last"  # where the decoder begins: last state, mean or max of the outputs, or all side by side
    attention: str = "none"
    attention_activation: str = "tanh"
    attention_place: str = "before"  # the decoder's layers (Bahdanau) or `after` them (Luong)
    input_feeding: bool = False  # the decoder's first layer also reads the last output
    decoder_hidden: int = 300
    decoder_layers: int = 2
    residual: bool = False  # each layer from the second on adds its input to its output
    layer_norm: bool = False  # of each layer's outputs
    tie_output: bool = True  # the projection's weight is the target embedding
    share_embeddings: bool = False  # one embedding for both sides, which then have one vocabulary
    readout: bool = False  # projection of tanh(W [state; context; embedding]) instead of the state alone
    dropout: DropoutOptions = field(default_factory=DropoutOptions)
    teacher_forcing: ForcingOptions = field(default_factory=ForcingOptions)
    pretrained: PretrainedOptions = field(default_factory=PretrainedOptions)

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        for name, allowed in _ALLOWED.items():
            if getattr(self, name) not in allowed:
                yield f"{key}.{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        for name in ("embedding", "encoder_hidden", "encoder_layers", "decoder_hidden", "decoder_layers"):
            if getattr(self, name) < 1:
                yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        if self.bidirectional not in (True, False, "first"):
            yield f"{key}.bidirectional is '{self.bidirectional}', but must be true, false or first."
        if self.pretrained.source_backwards is not None and not self.bidirectional:
            yield (
                f"{key}.pretrained.source_backwards is given, but no layer reads the source from its end: set "
                f"{key}.bidirectional=true or first."
            )
        if self.share_embeddings and self.pretrained.target is not None and self.pretrained.source is not None:
            yield (
                f"{key}.pretrained has a source and a target, but with {key}.share_embeddings there is one table of "
                "word vectors: give one of them."
            )
        yield from self._problems_of_width(key)
        yield from self.dropout.problems(f"{key}.dropout")
        yield from self.teacher_forcing.problems(f"{key}.teacher_forcing")

    def _problems_of_width(self, key: str) -> Iterator[str]:
        if self.tie_output and self.output_size() != self.embedding:
            yield (
                f"{key}.decoder_hidden is {self.decoder_hidden} and {key}.embedding is {self.embedding}, but with "
                f"{key}.tie_output they must be equal: change one, or set {key}.readout=true or {key}.tie_output=false."
            )
        memory = self.encoder_hidden * (2 if self.encoder_layers <= self.backward_layers() else 1)
        if self.attention == "dot" and memory != self.decoder_hidden:
            yield (
                f"{key}.decoder_hidden is {self.decoder_hidden} and the encoder's outputs are {memory} wide, but with "
                f"{key}.attention=dot they must be equal: change one, or set {key}.attention=general."
            )

    def backward_layers(self) -> int:
        """How many of the encoder's layers, from the first, also read the sentence from its end."""
        return 1 if self.bidirectional == "first" else self.encoder_layers * bool(self.bidirectional)

    def attends_after(self) -> bool:
        """Whether there is attention, and after the decoder's layers."""
        return self.attention != "none" and self.attention_place == "after"

    def output_size(self) -> int:
        """Width of what the projection to words reads."""
        return self.embedding if self.readout or self.attends_after() else self.decoder_hidden


_ALLOWED = {
    "cell": CELLS,
    "start": STARTS,
    "attention": ATTENTIONS,
    "attention_activation": ACTIVATIONS,
    "attention_place": PLACES,
}
