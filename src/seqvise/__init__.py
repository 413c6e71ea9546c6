"""Training framework for sequence-to-sequence and visual-semantic models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from seqvise.moved import install

if TYPE_CHECKING:
    from seqvise.decoding.options import DecodingOptions, GenerationOptions
    from seqvise.errors import UserError
    from seqvise.inference.classifier import ClassificationResult, Classifier, load_classifier
    from seqvise.inference.embedder import Embedder, load_embedder
    from seqvise.inference.language_model import GeneratedText, LanguageScorer, load_language_model
    from seqvise.inference.load import load_run
    from seqvise.inference.translator import TranslationResult, Translator, load_ensemble, load_translator

__all__ = [
    "ClassificationResult",
    "Classifier",
    "DecodingOptions",
    "Embedder",
    "GeneratedText",
    "GenerationOptions",
    "LanguageScorer",
    "TranslationResult",
    "Translator",
    "UserError",
    "__version__",
    "load_classifier",
    "load_embedder",
    "load_ensemble",
    "load_language_model",
    "load_run",
    "load_translator",
]
__version__ = "0.1.0"
_MODULES = {
    "decoding.options": ("DecodingOptions", "GenerationOptions"),
    "errors": ("UserError",),
    "inference.classifier": ("ClassificationResult", "Classifier", "load_classifier"),
    "inference.embedder": ("Embedder", "load_embedder"),
    "inference.language_model": ("GeneratedText", "LanguageScorer", "load_language_model"),
    "inference.load": ("load_run",),
    "inference.translator": ("TranslationResult", "Translator", "load_ensemble", "load_translator"),
}

install()


def __getattr__(name: str) -> object:
    # Importing torch takes seconds; `import seqvise` and `seqvise --help` avoid it.
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"seqvise.{module}"), name)
    raise AttributeError(f"module 'seqvise' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
