"""Small systems without a model."""

from collections.abc import Sequence

import numpy as np

from seqvise.evaluation.corpus import Corpus
from seqvise.evaluation.systems import ScoredTokens, System
from seqvise.metrics.perplexity import ReferenceLoss

SOURCES = ["le chat dort", "un chien [bold]court[/bold]", "zut", "", "les oiseaux chantent dans les arbres verts"]
REFERENCES = ["the cat sleeps", "a dog [bold]runs[/bold]", "drat", "", "the birds sing in the green trees"]
GOOD = ["no animal is here", "a dog [bold]walks[/bold]", "drat", "", "the birds sing in the trees"]
BAD = ["a cat sleeps", "the dog walks", "drat", "", "birds in trees"]


def corpus() -> Corpus:
    return Corpus("a.fr", "a.en", SOURCES, REFERENCES, np.array([3, 3, 1, 0, 7]), np.array([0, 1, 1, 0, 2]))


def system(name: str, texts: Sequence[str], loss: float | None = None) -> System:
    tokens = {"own": ScoredTokens(list(texts), REFERENCES, "tokenizer=words, lower")}
    reference_loss = None if loss is None else ReferenceLoss(loss, 20, 3)
    return System(name, list(texts), tokens, reference_loss, None if loss is None else 2.0, None if loss is None else 2)
