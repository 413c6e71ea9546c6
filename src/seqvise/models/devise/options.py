"""What a person chooses about a model from images to word vectors. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seqvise.models.options import ScaledDropoutOptions

LOSSES = ("cosine", "hinge", "contrastive", "l1", "mse")
NEGATIVES = ("all", "first")


@dataclass
class HeadDropoutOptions(ScaledDropoutOptions):
    """Dropout probabilities of the head."""

    features: float = 0.2  # what the backbone gives
    hidden: float = 0.2  # the hidden layer


@dataclass
class DeviseOptions:
    """A head from image features to word vectors (Frome et al. 2013), what it is trained by, and how it is scored."""

    _target_: str = "seqvise.models.devise.model.Devise"
    task: str = "seqvise.tasks.image_to_word.ImageToWord"
    hidden: int | None = 1024  # null: one linear map
    batch_norm: bool = True  # before each linear map
    dropout: HeadDropoutOptions = field(default_factory=HeadDropoutOptions)
    loss: str = "cosine"
    margin: float = 0.1  # hinge
    negatives: str = "all"  # hinge: the wrong labels that count, all or the first violating one in random order
    temperature: float = 0.1  # contrastive
    prior: float = 0.0  # weight of what the backbone's own classes say of an image, beside the head
    prior_classes: int = 10  # its most probable classes
    calibration: float = 0.0  # taken off the scores of trained labels where they compete with others
    head: str | None = None  # the run whose trained head this model starts from
    unfreeze: list[int] | None = None  # the epochs from which the backbone's late and early stages are trained

    def problems(self, key: str) -> Iterator[str]:
        """Sentences about values that cannot be right. key: the node's full name, for the message."""
        for name, allowed in (("loss", LOSSES), ("negatives", NEGATIVES)):
            if getattr(self, name) not in allowed:
                yield f"{key}.{name} is '{getattr(self, name)}', but must be one of {', '.join(allowed)}."
        if self.hidden is not None and self.hidden < 1:
            yield f"{key}.hidden is {self.hidden}, but must be at least 1, or null for one linear map."
        for name in ("margin", "temperature"):
            if getattr(self, name) <= 0:
                yield f"{key}.{name} is {getattr(self, name)}, but must be above 0."
        for name in ("prior", "calibration"):
            if getattr(self, name) < 0:
                yield f"{key}.{name} is {getattr(self, name)}, but cannot be negative."
        if self.prior_classes < 1:
            yield f"{key}.prior_classes is {self.prior_classes}, but must be at least 1."
        epochs = self.unfreeze
        if epochs is not None and not (len(epochs) in (1, 2) and 0 <= epochs[0] <= epochs[-1]):
            yield (
                f"{key}.unfreeze is {list(epochs)}, but must be one epoch from 0, from which the late stages are "
                "trained, or two, the second for the early stages and not before the first, or null to leave the "
                "backbone as it is."
            )
        yield from self.dropout.problems(f"{key}.dropout")
