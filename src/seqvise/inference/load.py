"""Loads finished runs of any kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import torch
from torch import Tensor

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.inference.classifier import Classifier, load_classifier
from seqvise.inference.embedder import Embedder, load_embedder
from seqvise.inference.translator import Translator, find_device, load_translator
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.interface import EOS
from seqvise.runs.load import Run
from seqvise.runs.model import build_text_model, with_weights


@dataclass(frozen=True)
class LanguageScorer:
    """A trained language model with its codec."""

    model: AwdLstm  # in evaluation mode
    codec: TextCodec  # converts text to ids, and ids to text
    device: torch.device  # the device of the model

    def perplexity(self, texts: Sequence[str]) -> list[float]:
        """The perplexity of each text, read after ``<eos>`` as in training; its own ``<eos>`` is predicted too."""
        return [self._perplexity(torch.from_numpy(ids).long()) for ids in self.codec.encode(texts)]

    @torch.no_grad()
    def _perplexity(self, targets: Tensor) -> float:
        targets = targets.to(self.device)
        inputs = torch.cat([targets.new_tensor([EOS]), targets[:-1]])
        outputs = self.model(inputs.unsqueeze(0)).outputs[0]
        loss, _ = self.model.generator.scores(outputs, targets, chunk=1024, dtype=torch.float32)
        return math.exp(float(loss) / len(targets))


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
        batch_size: sentences or texts per batch, of a translator or a classifier.
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
            return load_language_model(run, device, trust)
        case _:
            return load_translator(run, device, batch_size, workers, trust)


def load_language_model(path: str | Path | Run, device: str = "cpu", trust: bool = False) -> LanguageScorer:
    """Loads the language model of a run, or of an open run; see ``load_run``."""
    run = Run.open(path, trust)
    model = with_weights(run, build_text_model(run.config, len(run.text.vocabulary)))
    torch_device = find_device(device)
    return LanguageScorer(cast(AwdLstm, model.to(torch_device)), run.text, torch_device)
