"""Loads finished runs of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from seqvise.inference.classifier import Classifier, load_classifier
from seqvise.inference.embedder import Embedder, load_embedder
from seqvise.inference.language_model import LanguageScorer, load_language_model
from seqvise.inference.translator import Translator, load_translator
from seqvise.runs.load import Run

__all__ = [
    "Classifier",
    "Embedder",
    "LanguageScorer",
    "Translator",
    "load_classifier",
    "load_embedder",
    "load_language_model",
    "load_run",
    "load_translator",
]

Loaded: TypeAlias = Translator | Embedder | Classifier | LanguageScorer
"""Return type of ``load_run``; the class depends on the kind of run."""


def load_run(
    path: str | Path, device: str = "cpu", batch_size: int = 64, workers: int | None = 1, trust: bool = False
) -> Loaded:
    """Loads a run directory with its best checkpoint: a translator, embedder, classifier or language model.

    Code that needs one kind calls ``load_translator``, ``load_embedder``, ``load_classifier`` or
    ``load_language_model``.

    Args:
        path: the run directory.
        device: a torch device name, or ``auto`` for CUDA if available.
        batch_size: sentences or texts per batch; an embedder does not use it.
        workers: processes that decode in parallel, of a translator; see ``count_workers``.
        trust: import classes outside of seqvise, torch and Lightning that its config names.

    Raises:
        UserError: the path is not a run directory, has no checkpoint yet, is damaged, or the device does not exist.
    """
    run = Run.open(path, trust)
    match run.config.data.kind:
        case "images":
            return load_embedder(run, device, trust)
        case "text_labels":
            return load_classifier([run], device, batch_size, trust)
        case "text_lines":
            return load_language_model(run, device, batch_size, trust)
        case _:
            return load_translator(run, device, batch_size, workers, trust)
