"""Trained language models: the perplexity of texts, and continuations of prompts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqvise.config.keys import with_values
from seqvise.corpus.documents.options import STREAM, TextOptions
from seqvise.corpus.documents.readers import cleaned
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.decoding.continuation import PromptedModel
from seqvise.decoding.decode import decode
from seqvise.decoding.hypotheses import NBest
from seqvise.decoding.options import GenerationOptions
from seqvise.errors import UserError
from seqvise.inference.translator import END, batches, find_device
from seqvise.metrics.perplexity import perplexity
from seqvise.models.awd_lstm.model import AwdLstm
from seqvise.models.interface import EOS, PAD, UNK, pad, source_batch
from seqvise.options import option_errors
from seqvise.runs.load import Run, other_command, trained_on
from seqvise.runs.model import build_text_model, with_weights

log = logging.getLogger(__name__)
Ids = NDArray[np.int32]
WINDOW = 256
"""Steps that are read at once."""
CHUNK = 512
"""Rows that are projected to the vocabulary at once."""
DEFAULT_OPTIONS = GenerationOptions()


@dataclass(frozen=True, eq=False)
class GeneratedText:
    """A prompt with a generated continuation.

    Attributes:
        text: the whole text, with the prompt as the tokenizer reads it.
        words: the generated words, in the order of generation, including ``<eos>`` if it was reached.
        log_prob: the sum of their log-probabilities, normalised without ``<unk>``, which is never generated.
    """

    text: str
    words: Sequence[str]
    log_prob: float


@dataclass(frozen=True)
class LanguageScorer:
    """A trained language model with its codec.

    Attributes:
        model: in evaluation mode.
        codec: converts text to ids, and ids to text.
        device: the device of the model.
        data: the run's `data` node, which says whether HTML is removed.
        batch_size: texts per batch, and continuations generated at once.
    """

    model: AwdLstm
    codec: TextCodec
    device: torch.device
    data: TextOptions
    batch_size: int = 64

    @overload
    def perplexity(self, texts: str) -> float: ...  # type: ignore[overload-overlap]  # str is a sequence, too

    @overload
    def perplexity(self, texts: Sequence[str]) -> list[float]: ...

    def perplexity(self, texts: str | Sequence[str]) -> float | list[float]:
        """The perplexity of one text, or of each: read after ``<eos>`` as in training, with its ``<eos>`` predicted."""
        if isinstance(texts, str):
            return self.perplexity([texts])[0]
        return [perplexity(-float(log_probs.mean())) for log_probs in self.log_probs(self.encode(texts))]

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, with ``EOS`` at the end."""
        return self.codec.encode(cleaned(text, self.data) for text in texts)

    def log_probs(self, ids: Sequence[Ids]) -> list[NDArray[np.float64]]:
        """The log-probability of each token, texts read independently of each other. ids: with ``EOS`` at the end."""
        results: dict[int, NDArray[np.float64]] = {}
        lengths = [len(text_ids) for text_ids in ids]
        for rows in batches(range(len(ids)), lengths, self.batch_size):
            targets, _ = pad([ids[row] for row in rows])
            log_probs = self._log_probs(targets)
            results.update((row, log_probs[index, : lengths[row]]) for index, row in enumerate(rows))
        return [results[row] for row in range(len(ids))]

    def log_probs_of_stream(self, ids: Sequence[Ids]) -> list[NDArray[np.float64]]:
        """The log-probability of each token, each text read after those before it, as in training."""
        joined = self._log_probs(torch.from_numpy(np.concatenate(ids)).long().unsqueeze(0))[0]
        return np.split(joined, np.cumsum([len(text_ids) for text_ids in ids])[:-1])

    @torch.no_grad()
    def _log_probs(self, targets: Tensor) -> NDArray[np.float64]:
        """(B, T) log-probabilities of tokens (B, T), which follow ``EOS``."""
        targets = targets.to(self.device)
        inputs = torch.cat([torch.full_like(targets[:, :1], EOS), targets[:, :-1]], 1)
        state, parts = None, []
        for window, window_targets in zip(inputs.split(WINDOW, 1), targets.split(WINDOW, 1), strict=True):
            output = self.model(window, state)
            state = output.state
            rows = self._scores(output.outputs.flatten(0, 1), window_targets.flatten())
            parts.append(rows.view_as(window_targets).double().cpu().numpy())
        return np.concatenate(parts, 1)

    def _scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(N,) log-probabilities of targets (N,) by outputs (N, D)."""
        parts = []
        for chunk_outputs, chunk_targets in zip(outputs.split(CHUNK), targets.split(CHUNK), strict=True):
            log_probs = torch.log_softmax(self.model.generator(chunk_outputs).float(), 1)
            parts.append(log_probs.gather(1, chunk_targets.unsqueeze(1)).squeeze(1))
        return torch.cat(parts)

    @overload
    def generate(
        self, prompts: str = "", options: GenerationOptions = DEFAULT_OPTIONS, **generation: Any
    ) -> list[GeneratedText]: ...

    @overload
    def generate(
        self, prompts: Sequence[str], options: GenerationOptions = DEFAULT_OPTIONS, **generation: Any
    ) -> list[list[GeneratedText]]: ...

    def generate(
        self, prompts: str | Sequence[str] = "", options: GenerationOptions = DEFAULT_OPTIONS, **generation: Any
    ) -> list[GeneratedText] | list[list[GeneratedText]]:
        """Samples ``n`` continuations of one prompt, or of each; the most probable ones, per word, are first.

        The samples of a prompt depend on the seed and on its words alone, not on other prompts.

        Args:
            prompts: one prompt, whose continuations are returned in a list; or several, with one list for each. An
                empty prompt is the beginning of a document.
            options: the options.
            generation: single options, such as ``temperature=0.7, n=3``; see ``GenerationOptions``.

        Raises:
            UserError: an option does not exist or is invalid, or no word of a prompt is in the vocabulary.
        """
        options = with_values(options, generation)
        if isinstance(prompts, str):
            return self.generate([prompts], options)[0]
        if messages := [*option_errors(options), *self.prompt_errors(prompts)]:
            raise UserError(*messages)
        prompt_ids = [np.array([EOS, *ids[:-1]], np.int32) for ids in self.encode(prompts)]
        results: list[list[GeneratedText]] = [[]] * len(prompts)
        for rows in self._same_length(prompt_ids, max(1, self.batch_size // options.n)):
            src = source_batch([prompt_ids[row] for row in rows]).to(self.device)
            samples = decode(PromptedModel(self.model), src, options.decoding())
            for index, row in enumerate(rows):
                results[row] = list(self._generated(prompt_ids[row], samples, index))
        return results

    def _same_length(self, ids: Sequence[Ids], size: int) -> Iterator[list[int]]:
        """Batches of rows of equal length."""
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        for _, group in groupby(order, key=lambda row: len(ids[row])):
            rows = list(group)
            yield from (rows[start : start + size] for start in range(0, len(rows), size))

    def _generated(self, prompt: Ids, samples: NBest, row: int) -> Iterator[GeneratedText]:
        for tokens, log_prob in zip(samples.tokens[row].tolist(), samples.log_probs[row].tolist(), strict=True):
            tokens = [token for token in tokens if token != PAD]
            words = self.codec.words(tokens)
            ended = [END] if len(words) < len(tokens) else []
            yield GeneratedText(self.codec.decode([*prompt[1:].tolist(), *tokens]), [*words, *ended], log_prob)

    def unknown_words(self, text: str) -> tuple[list[str], bool]:
        """The words of a text that are not in the vocabulary, and whether all are."""
        (tokens,) = self.codec.tokenizer.tokenize([cleaned(text, self.data)])
        ids = self.codec.vocabulary.ids(tokens.words)
        unknown = [word for word, index in zip(tokens.words, ids, strict=True) if index == UNK]
        return list(dict.fromkeys(unknown)), 0 < len(unknown) == len(tokens.words)

    def prompt_errors(self, prompts: Sequence[str]) -> Iterator[str]:
        """A message for each prompt without a known word; logs a warning for other unknown words."""
        for prompt in prompts:
            unknown, is_all = self.unknown_words(prompt)
            if is_all:
                yield (
                    f"prompt={prompt}: the vocabulary has none of its words ({', '.join(unknown[:8])}): use words "
                    "of the training data."
                )
            elif unknown:
                log.warning("prompt=%s: not in the vocabulary, and read as <unk>: %s.", prompt, ", ".join(unknown[:8]))


def load_language_model(
    path: str | Path | Run, device: str = "cpu", batch_size: int = 64, trust: bool = False
) -> LanguageScorer:
    """Loads the language model of a run.

    Args:
        path: the run directory, or the open run.
        device: a torch device name, or ``auto`` for CUDA if available.
        batch_size: texts per batch.
        trust: import classes outside of seqvise, torch and Lightning that its config names.

    Raises:
        UserError: the path is not the run directory of a language model, has no checkpoint yet, or is damaged.
    """
    run = Run.open(path, trust)
    if run.config.data.kind != STREAM:
        raise UserError(
            f"{run.path} has no language model: {trained_on(run)}. Give a run of a language model (model=awd_lstm)"
            f"{other_command(run, STREAM)}."
        )
    model = with_weights(run, build_text_model(run.config, len(run.text.vocabulary)))
    torch_device = find_device(device)
    data = cast(TextOptions, run.config.data)
    return LanguageScorer(cast(AwdLstm, model.to(torch_device)), run.text, torch_device, data, batch_size)
