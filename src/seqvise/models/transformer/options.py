"""Options of transformers. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seqvise.models.options import ForcingOptions, ScaledDropoutOptions
from seqvise.options import NODE, Options, Problem, at_least, one_of

ACTIVATIONS = ("relu", "gelu")
POSITIONS = ("sinusoidal", "rotary")
NORMS = ("layer", "rms")


@dataclass
class TransformerDropoutOptions(ScaledDropoutOptions):
    """Dropout probabilities of a transformer, each multiplied by ``scale``."""

    embedding: float = 0.1  # word vectors plus positions
    attention: float = 0.0  # attention weights
    residual: float = 0.1  # output of each sublayer
    activation: float = 0.0  # inside the feed-forward sublayer


@dataclass
class TransformerOptions(Options):
    """A pre-norm encoder-decoder transformer."""

    _target_: str = "seqvise.models.transformer.model.Transformer"
    task: str = "seqvise.tasks.translation.TranslationTask"
    embedding: int = 256  # width of word vectors and of every layer
    heads: int = 4
    encoder_layers: int = 3
    decoder_layers: int = 3
    feed_forward: int = 1024
    activation: str = "relu"
    positions: str = "sinusoidal"
    norm: str = "layer"
    tie_output: bool = True  # the projection's weight is the target embedding
    share_embeddings: bool = False  # one embedding for both sides, which need one vocabulary
    dropout: TransformerDropoutOptions = field(default_factory=TransformerDropoutOptions)
    teacher_forcing: ForcingOptions = field(default_factory=ForcingOptions)

    def validate(self) -> Iterator[Problem]:
        yield from one_of(self, activation=ACTIVATIONS, positions=POSITIONS, norm=NORMS)
        small = list(at_least(self, 1, "embedding", "heads", "encoder_layers", "decoder_layers", "feed_forward"))
        yield from small or self._validate_width()

    def _validate_width(self) -> Iterator[Problem]:
        if self.embedding % self.heads:
            yield "embedding", f"is {self.embedding}, but must be a multiple of {NODE}.heads, which is {self.heads}."
        elif self.positions == "rotary" and self.embedding // self.heads % 2:
            yield (
                "embedding",
                f"/ {NODE}.heads is {self.embedding // self.heads}, but {NODE}.positions=rotary rotates pairs of "
                f"numbers: make it even, or set {NODE}.positions=sinusoidal.",
            )
        elif self.positions == "sinusoidal" and self.embedding % 2:
            yield "embedding", f"is {self.embedding}, but must be even with {NODE}.positions=sinusoidal."
