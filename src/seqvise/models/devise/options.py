"""Options of DeViSE, which maps images to word vectors. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seqvise.models.options import ScaledDropoutOptions
from seqvise.options import Options, Problem, at_least, one_of

LOSSES = ("cosine", "hinge", "contrastive", "l1", "mse")
NEGATIVES = ("all", "first")


@dataclass
class HeadDropoutOptions(ScaledDropoutOptions):
    """Dropout probabilities of the head."""

    features: float = 0.2  # features of the backbone
    hidden: float = 0.2  # the hidden layer


@dataclass
class DeviseOptions(Options):
    """A head from image features to word vectors (Frome et al. 2013), its loss, and how labels are scored."""

    _target_: str = "seqvise.models.devise.model.Devise"
    task: str = "seqvise.tasks.image_to_word.ImageToWord"
    hidden: int | None = 1024  # null: a single linear layer
    batch_norm: bool = True  # before each linear layer
    dropout: HeadDropoutOptions = field(default_factory=HeadDropoutOptions)
    loss: str = "cosine"
    margin: float = 0.1  # hinge
    negatives: str = "all"  # hinge: `all` wrong labels, or the `first` in random order that violates the margin
    temperature: float = 0.1  # contrastive
    prior: float = 0.0  # weight of the backbone's class probabilities in the scores, beside the head
    prior_classes: int = 10  # the most probable classes of the backbone that are used
    calibration: float = 0.0  # subtracted from the scores of trained labels when held-out labels compete with them
    head: str | None = None  # a run whose trained head initialises this model
    unfreeze: list[int] | None = None  # first epochs in which the backbone's late and early stages are trained

    def validate(self) -> Iterator[Problem]:
        yield from one_of(self, loss=LOSSES, negatives=NEGATIVES)
        yield from at_least(self, 1, "hidden", null="for a single linear layer")
        for name in ("margin", "temperature"):
            if getattr(self, name) <= 0:
                yield name, f"is {getattr(self, name)}, but must be above 0."
        yield from at_least(self, 0, "prior", "calibration")
        yield from at_least(self, 1, "prior_classes")
        epochs = self.unfreeze
        if epochs is not None and not (len(epochs) in (1, 2) and 0 <= epochs[0] <= epochs[-1]):
            yield (
                "unfreeze",
                f"is {list(epochs)}, but must be one epoch from 0 for the late stages, or two for the late and the "
                "early stages, the second not before the first, or null to keep the backbone frozen.",
            )
