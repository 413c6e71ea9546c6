"""Translation of text with trained models: single runs and ensembles."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from seqvise.classes import find_class
from seqvise.config.keys import with_values
from seqvise.config.registry import MODULE
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.decoding.decode import decode
from seqvise.decoding.ensemble import Ensemble
from seqvise.decoding.hypotheses import NBest
from seqvise.decoding.options import KEEP, DecodingOptions
from seqvise.decoding.quantization import quantized
from seqvise.decoding.shortlist import Shortlist, read_shortlist
from seqvise.decoding.unknown import Table, attended_positions, read_table, replace_unknown
from seqvise.errors import UserError
from seqvise.machine import has_bf16
from seqvise.models.interface import BOS, EOS, PAD, SourceBatch, StepModel, source_batch
from seqvise.options import option, option_errors
from seqvise.runs.load import PARALLEL, Run, other_command, trained_on
from seqvise.runs.model import load_model
from seqvise.workers import can_fork, fork_map

STEP_METHODS = ("encode", "init", "step", "reorder", "select")


def load_seq2seq(run: Run) -> nn.Module:
    """Loads a run's sequence-to-sequence model, on the CPU and in evaluation mode.

    Raises:
        UserError: the run is of another task, or incomplete; see ``load_model``.
    """
    target = option(run.config.model, "_target_")
    if command := other_command(run, PARALLEL):
        raise UserError(f"{run.path} cannot translate: {trained_on(run)}. Give a run of a translation model{command}.")
    missing = [name for name in STEP_METHODS if not hasattr(find_class("model._target_", target, MODULE), name)]
    if missing:
        raise UserError(
            f"{run.path} cannot translate: its model, {target}, has no {', '.join(missing)}. "
            "Give a run of a translation model."
        )
    return load_model(run)


def check_same_vocabularies(first: Run, other: Run) -> None:
    """Checks that two runs have the same source and target vocabularies and tokenizers.

    Raises:
        UserError: they differ; the message names the side and the difference.
    """
    for side, first_codec, other_codec in (
        ("source", first.source, other.source),
        ("target", first.target, other.target),
    ):
        if difference := _difference(first_codec, other_codec):
            raise UserError(
                f"{first.path} and {other.path} cannot form an ensemble: {difference} on the {side} side. "
                "Give runs trained on the same corpus and tokenizer."
            )


def _difference(first: TextCodec, other: TextCodec) -> str:
    first_words, other_words = first.vocabulary.words, other.vocabulary.words
    if len(first_words) != len(other_words):
        return f"they have {len(first_words)} and {len(other_words)} words"
    if first_words != other_words:
        return "their vocabularies differ"
    if (first.language, first.options, first.model) != (other.language, other.options, other.model):
        return "their tokenizers differ"
    return "one reads from left to right, the other from right to left" if first.backwards != other.backwards else ""


log = logging.getLogger(__name__)

Ids = NDArray[np.int32]
MAX_SOURCE_WORDS = 1000
"""Maximum number of words of a source text; longer texts are truncated."""
TYPICAL_LENGTH = 40
"""Sentence length in words up to which batches are full; batches of longer sentences are smaller."""
DEFAULT_OPTIONS = DecodingOptions()


@dataclass(frozen=True, eq=False)
class TranslationResult:
    """One translated text.

    Attributes:
        text: the translation; empty for an empty text.
        source_words: the S source words, including ``<eos>``.
        words: the T output words, including ``<eos>`` if it was reached.
        attention: (T, S) weights, each row summing to 1; None if not requested or if the model has no attention.
        score: the score that ranks hypotheses; see ``NBest``.
        log_prob: the sum of the words' log-probabilities.
        alternatives: the further translations that ``translate`` with ``nbest`` returns, best first.
    """

    text: str
    source_words: Sequence[str]
    words: Sequence[str]
    attention: NDArray[np.float32] | None = None
    score: float = 0.0
    log_prob: float = 0.0
    alternatives: tuple[TranslationResult, ...] = ()


EMPTY = TranslationResult("", (), ())


@dataclass(frozen=True)
class Translator:
    """A translation model or an ensemble, with its source and target codecs.

    Attributes:
        model: has the step interface; in evaluation mode.
        source, target: convert text to ids, and ids to text.
        batch_size: sentences per batch.
        workers: processes that decode batches in parallel; on the CPU, where most steps are too small for several
            threads.
        shortlist: candidate output words for each source word, on the model's device; None for the full vocabulary.
    """

    model: nn.Module
    source: TextCodec
    target: TextCodec
    batch_size: int = 64
    workers: int = 1
    shortlist: Shortlist | None = None

    @overload
    def translate(
        self, texts: str, attention: bool = False, options: DecodingOptions = DEFAULT_OPTIONS, **decoding: Any
    ) -> TranslationResult: ...

    @overload
    def translate(
        self, texts: Sequence[str], attention: bool = False, options: DecodingOptions = DEFAULT_OPTIONS, **decoding: Any
    ) -> list[TranslationResult]: ...

    def translate(
        self,
        texts: str | Sequence[str],
        attention: bool = False,
        options: DecodingOptions = DEFAULT_OPTIONS,
        **decoding: Any,
    ) -> TranslationResult | list[TranslationResult]:
        """Translates one text, or each text in order; an empty text has an empty translation.

        Args:
            texts: one sentence, whose translation is returned; or several, whose translations are returned in a list.
            attention: also return the attention weights over the source words.
            options: the decoding options.
            decoding: single decoding options, such as ``beam=5, nbest=3``; see ``DecodingOptions``. With ``nbest``, the
                further translations are the ``alternatives`` of the best one.

        Raises:
            UserError: an option does not exist; the model does not support the options, see ``check``; or a worker
                process was killed.
        """
        if isinstance(texts, str):
            return self.translate([texts], attention, options, **decoding)[0]
        nbest = self.translate_nbest(texts, attention, options, **decoding)
        return [replace(results[0], alternatives=tuple(results[1:])) for results in nbest]

    @overload
    def translate_nbest(
        self, texts: str, attention: bool = False, options: DecodingOptions = DEFAULT_OPTIONS, **decoding: Any
    ) -> list[TranslationResult]: ...

    @overload
    def translate_nbest(
        self, texts: Sequence[str], attention: bool = False, options: DecodingOptions = DEFAULT_OPTIONS, **decoding: Any
    ) -> list[list[TranslationResult]]: ...

    def translate_nbest(
        self,
        texts: str | Sequence[str],
        attention: bool = False,
        options: DecodingOptions = DEFAULT_OPTIONS,
        **decoding: Any,
    ) -> list[TranslationResult] | list[list[TranslationResult]]:
        """The ``nbest`` best translations of one text or of each text, best first, at least one. See ``translate``."""
        options = with_values(options, decoding)
        if isinstance(texts, str):
            return self._nbest([texts], attention, options)[0]
        return self._nbest(texts, attention, options)

    def _nbest(self, texts: Sequence[str], attention: bool, options: DecodingOptions) -> list[list[TranslationResult]]:
        table = self.check(options)
        ids = [_truncated(sentence) for sentence in self.source.encode(texts)]
        lengths = [len(sentence) for sentence in ids]
        rows = [row for row, length in enumerate(lengths) if length > 1]
        parts = list(batches(rows, lengths, self.batch_size))[::-1]

        def work(part: list[int]) -> list[list[TranslationResult]]:
            return self._batch([Sentence(texts[row], ids[row]) for row in part], attention, options, table)

        workers = min(self.workers, len(parts) // 2)
        translated = fork_map(work, parts, workers) if workers > 1 else map(work, parts)
        nbest = [[EMPTY]] * len(texts)
        for part, part_results in zip(parts, translated, strict=True):
            for row, results in zip(part, part_results, strict=True):
                nbest[row] = results
        return nbest

    def with_shortlist(self, path: Path) -> Self:
        """A copy that only generates words of a shortlist; see ``read_shortlist``.

        Raises:
            UserError: the file cannot be read or has another vocabulary, or a model has no projection to restrict.
        """
        models = self.model.models if isinstance(self.model, Ensemble) else [self.model]
        for model in models:
            if not hasattr(model, "generator"):
                raise UserError(f"shortlist={path}: {type(model).__name__} has no generator: leave it out.")
        shortlist = read_shortlist(path, self.source.vocabulary, self.target.vocabulary)
        return replace(self, shortlist=shortlist.to(self._device()))

    def quantized(self, precision: str) -> Self:
        """A copy with quantized weights in matrix products; see ``seqvise.decoding.quantization``.

        Args:
            precision: ``bf16`` or ``int8``.

        Raises:
            UserError: ``int8`` with a model that is not on the CPU, or without support in this build of torch.
        """
        device = self._device()
        if precision == "int8" and device.type != "cpu":
            raise UserError(f"precision=int8 is for a CPU, but device={device}: set device=cpu, or precision=bf16.")
        if precision == "bf16" and not has_bf16(device):
            log.warning("precision=bf16: this %s has no bf16 instructions; fp32 may be faster.", device.type)
        return replace(self, model=quantized(self.model, precision))

    def check(self, options: DecodingOptions, attention_keys: Sequence[str] = ()) -> Table | None:
        """Checks that the model supports the decoding options.

        Args:
            options: the decoding options.
            attention_keys: keys set by the user that need attention weights; API calls get None instead of an error.

        Returns:
            the table of replacements for unknown words, if any.

        Raises:
            UserError: one message for each unsupported option; or the file of ``unknown`` cannot be read.
        """
        messages = list(option_errors(options))
        vocab_size = len(self.target.vocabulary)
        if options.beam > vocab_size:
            messages.append(f"beam is {options.beam}, but there are only {vocab_size} words to choose from.")
        needs = {
            "coverage": options.coverage > 0,
            "unknown": options.unknown != KEEP,
            **dict.fromkeys(attention_keys, True),
        }
        if any(needs.values()) and not self.has_attention():
            messages += [f"{key}: the model has no attention; leave the key out." for key in needs if needs[key]]
        if messages:
            raise UserError(*messages)
        return read_table(options.unknown)

    @torch.no_grad()
    def has_attention(self) -> bool:
        """Whether the model returns attention weights."""
        model, device = self._steps(), self._device()
        src = SourceBatch(torch.tensor([[EOS]], device=device), torch.ones(1, dtype=torch.long, device=device))
        memory = model.encode(src)
        return model.step(torch.tensor([BOS], device=device), model.init(memory), memory).attention is not None

    def _batch(
        self, sentences: list[Sentence], attention: bool, options: DecodingOptions, table: Table | None
    ) -> list[list[TranslationResult]]:
        src = source_batch([sentence.ids for sentence in sentences]).to(self._device())
        nbest = decode(self._steps(), src, options, attention, shortlist=self.shortlist)
        translated = [self._results(sentence, nbest, row) for row, sentence in enumerate(sentences)]
        if table is None:
            return translated
        positions = attended_positions(self._steps(), src, nbest.tokens, nbest.attention).tolist()
        return [
            [
                self._without_unknown(sentence.text, result, positions[row][rank], table)
                for rank, result in enumerate(translated[row])
            ]
            for row, sentence in enumerate(sentences)
        ]

    def _results(self, sentence: Sentence, nbest: NBest, row: int) -> list[TranslationResult]:
        source_words = _words_of(self.source, sentence.ids)
        scores, log_probs = nbest.scores[row].tolist(), nbest.log_probs[row].tolist()
        translations = []
        for rank, tokens in enumerate(nbest.tokens[row].tolist()):
            if rank and scores[rank] == float("-inf"):
                break
            tokens = [token for token in tokens if token != PAD]
            words = _words_of(self.target, tokens)
            weights = None
            if nbest.attention is not None:
                weights = nbest.attention[row, rank, : len(words), : len(source_words)].float().cpu().numpy()
            text = self.target.decode(tokens)
            translations.append(TranslationResult(text, source_words, words, weights, scores[rank], log_probs[rank]))
        return translations

    def _without_unknown(
        self, text: str, result: TranslationResult, positions: list[int], table: Table
    ) -> TranslationResult:
        """The translation with its unknown words replaced."""
        is_unknown = [word == UNKNOWN for word in result.words]
        if not any(is_unknown):
            return result
        (tokens,) = self.source.tokenizer.tokenize([text])
        source = list(reversed(tokens.words)) if self.source.backwards else list(tokens.words)
        words = replace_unknown(result.words, is_unknown, positions[: len(is_unknown)], source, table)
        text = self.target.text([word for word in words if word != END])
        return TranslationResult(text, result.source_words, words, result.attention, result.score, result.log_prob)

    def _steps(self) -> StepModel[Any, Any]:
        return cast(StepModel[Any, Any], self.model)

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


@dataclass(frozen=True)
class Sentence:
    """A text and its ids."""

    text: str
    ids: Ids


def batches(rows: Sequence[int], lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Sorts rows by length and yields batches of sentences of similar length.

    Args:
        rows: indices into ``lengths``.
        lengths: words of each sentence.
        size: sentences per batch; fewer if they are longer than ``TYPICAL_LENGTH``, so that memory stays bounded.
    """
    batch: list[int] = []
    for row in sorted(rows, key=lambda row: lengths[row]):
        if batch and (len(batch) + 1) * max(lengths[row], TYPICAL_LENGTH) > size * TYPICAL_LENGTH:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def load_translator(
    path: str | Path | Run, device: str = "cpu", batch_size: int = 64, workers: int | None = 1, trust: bool = False
) -> Translator:
    """Loads the translator of a run.

    Args:
        path: the run directory, or the open run.
        device: a torch device name, or ``auto`` for CUDA if available.
        batch_size: sentences per batch.
        workers: processes that decode in parallel; see ``count_workers``.
        trust: import classes outside of seqvise, torch and Lightning that its config names.

    Raises:
        UserError: the path is not the run directory of a translation model, has no checkpoint yet, the device does not
            exist, or there are several workers where only one is possible.
    """
    return load_ensemble([path], device, batch_size, workers=workers, trust=trust)


def load_ensemble(
    paths: Sequence[str | Path | Run],
    device: str = "cpu",
    batch_size: int = 64,
    mean: str = "probs",
    workers: int | None = 1,
    trust: bool = False,
) -> Translator:
    """Loads several runs as an ensemble.

    Args:
        paths: the run directories or open runs, at least one.
        device: a torch device name, or ``auto`` for CUDA if available.
        batch_size: sentences per batch.
        mean: average ``probs`` or ``log_probs``; see ``Ensemble``.
        workers: processes that decode in parallel; see ``count_workers``.
        trust: import classes outside of seqvise, torch and Lightning that their configs name.

    Raises:
        UserError: as for ``load_translator``; or the runs have different vocabularies or tokenizers.
    """
    torch_device = find_device(device)
    count = count_workers(workers, torch_device)
    runs = [Run.open(path, trust) for path in paths]
    models = [load_seq2seq(run) for run in runs]
    for run in runs[1:]:
        check_same_vocabularies(runs[0], run)
    model = models[0] if len(models) == 1 else Ensemble(models, mean).eval()
    return Translator(model.to(torch_device), runs[0].source, runs[0].target, batch_size, count)


def count_workers(workers: int | None, device: torch.device) -> int:
    """The number of decoding processes: ``workers``, or by default, on a CPU, one per thread that torch uses.

    Raises:
        UserError: ``workers`` is below 1; or above 1 on another device, or where processes cannot be forked.
    """
    reason = (
        f"device={device.type} has one" if device.type != "cpu" else "only Linux forks them" if not can_fork() else ""
    )
    if workers is None:
        return 1 if reason else torch.get_num_threads()
    if workers < 1:
        raise UserError(f"workers is {workers}, but at least one process must translate.")
    if workers > 1 and reason:
        raise UserError(f"workers is {workers}, but {reason}: leave it out.")
    return workers


def find_device(name: str) -> torch.device:
    """The device with this name; ``auto`` is CUDA if available, else the CPU.

    Raises:
        UserError: the name is invalid, or the machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


END, UNKNOWN = "<eos>", "<unk>"


def _truncated(ids: Ids) -> Ids:
    if len(ids) <= MAX_SOURCE_WORDS:
        return ids
    log.warning("A line of %d words is truncated to %d words.", len(ids) - 1, MAX_SOURCE_WORDS - 1)
    return np.append(ids[: MAX_SOURCE_WORDS - 1], ids[-1:])


def _words_of(codec: TextCodec, ids: Sequence[int] | NDArray[np.integer]) -> list[str]:
    """The words of the ids, up to and including ``<eos>`` if there is one."""
    words = codec.words(ids)
    has_end = len(words) < len(ids)
    return [*words, END] if has_end else words
