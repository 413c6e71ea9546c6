"""What a person chooses about a transformer. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seqvise.models.options import ForcingOptions, ScaledDropoutOptions

ACTIVATIONS = ("relu", "gelu")
POSITIONS = ("sinusoidal", "rotary")
NORMS = ("layer", "rms")


@dataclass
class TransformerDropoutOptions(ScaledDropoutOptions):
    """Dropout probabilities of a transformer, each multiplied by ``scale``."""

    embedding: float = 0.1  # what the first layer of each side reads: word vector and position
    attention: float = 0.0  # weights of every attention
    residual: float = 0.1  # what a sublayer adds
    activation: float = 0.0  # inside the feed-forward sublayer


@dataclass
class TransformerOptions:
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
    share_embeddings: bool = False  # one embedding for both sides, which then have one vocabulary
    dropout: TransformerDropoutOptions = field(default_factory=TransformerDropoutOptions)
    teacher_forcing: ForcingOptions = field(default_factory=ForcingOptions)

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        for name, allowed in (("activation", ACTIVATIONS), ("positions", POSITIONS), ("norm", NORMS)):
            if getattr(self, name) not in allowed:
                yield f"{key}.{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        sizes = ("embedding", "heads", "encoder_layers", "decoder_layers", "feed_forward")
        small = [name for name in sizes if getattr(self, name) < 1]
        for name in small:
            yield f"{key}.{name} is {getattr(self, name)}, but must be at least 1."
        if not small:
            yield from self._problems_of_width(key)
        yield from self.dropout.problems(f"{key}.dropout")
        yield from self.teacher_forcing.problems(f"{key}.teacher_forcing")

    def _problems_of_width(self, key: str) -> Iterator[str]:
        if self.embedding % self.heads:
            yield f"{key}.embedding must be a multiple of {key}.heads ({self.heads}), but is {self.embedding}."
        elif self.positions == "rotary" and self.embedding // self.heads % 2:
            yield (
                f"{key}.embedding / {key}.heads is {self.embedding // self.heads}, but {key}.positions=rotary turns "
                f"pairs of numbers: make it even, or set {key}.positions=sinusoidal."
            )
        elif self.positions == "sinusoidal" and self.embedding % 2:
            yield f"{key}.embedding is {self.embedding}, but must be even with {key}.positions=sinusoidal."
