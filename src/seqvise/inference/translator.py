"""Trained models that turn text into text."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from seqvise.config.registry import MODULE, find_class
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
from seqvise.runs.load import Run
from seqvise.runs.model import load_model, option
from seqvise.workers import can_fork, side_by_side

STEPS = ("encode", "init", "step", "reorder", "select")


def load_seq2seq(run: Run) -> nn.Module:
    """A run's model, on the CPU and in evaluation mode.

    Raises:
        UserError: the run is of another task, or is not whole; see ``load_model``.
    """
    target = option(run.config.model, "_target_")
    missing = [name for name in STEPS if not hasattr(find_class("model._target_", target, MODULE), name)]
    if missing:
        raise UserError(
            f"{run.path} cannot translate: its model, {target}, has no {', '.join(missing)}. "
            "Give the run of a translation model."
        )
    return load_model(run)


def check_same_words(first: Run, other: Run) -> None:
    """Refuses runs that do not read and say the same words.

    Raises:
        UserError: naming the side and what differs.
    """
    for side, ours, theirs in (("source", first.source, other.source), ("target", first.target, other.target)):
        if difference := _difference(ours, theirs):
            raise UserError(
                f"{first.path} and {other.path} cannot decode as one: {difference} on the {side} side. "
                "Give runs of one corpus and tokenizer."
            )


def _difference(ours: TextCodec, theirs: TextCodec) -> str:
    here, there = ours.vocabulary.words, theirs.vocabulary.words
    if len(here) != len(there):
        return f"they have {len(here)} and {len(there)} words"
    if here != there:
        return "their vocabularies differ"
    if (ours.language, ours.options, ours.model) != (theirs.language, theirs.options, theirs.model):
        return "their tokenizers differ"
    return "one reads from left to right, the other from right to left" if ours.backwards != theirs.backwards else ""


log = logging.getLogger(__name__)

Ids = NDArray[np.int32]
LONGEST = 1000
"""Words of a source that are read; of a longer one the rest is left out."""
USUAL = 40
"""Words of a sentence for which a batch has its full number of sentences; of longer ones it has fewer."""
DEFAULT = DecodingOptions()


@dataclass(frozen=True, eq=False)
class TranslationResult:
    """One translated text.

    Attributes:
        text: the translation; empty for an empty text.
        source_words: S words the encoder read, its end mark included.
        words: T words the decoder said, its end mark included if it was said.
        attention: (T, S) weights, each row summing to 1; None where not asked for or the model has none.
        score: what hypotheses are ranked by; see ``NBest``.
        log_prob: the sum of the words' log-probabilities.
    """

    text: str
    source_words: Sequence[str]
    words: Sequence[str]
    attention: NDArray[np.float32] | None = None
    score: float = 0.0
    log_prob: float = 0.0


NOTHING = TranslationResult("", (), ())


@dataclass(frozen=True)
class Translator:
    """A model, or several as one, with the codecs of its two sides.

    Attributes:
        model: has the step interface; in evaluation mode.
        source, target: text to ids, ids to text.
        batch_size: sentences decoded at once.
        workers: processes that decode many texts side by side; on the CPU, where most steps are too small for several
            threads.
        shortlist: what can be said for each source word, on the model's device; None for all words.
    """

    model: nn.Module
    source: TextCodec
    target: TextCodec
    batch_size: int = 64
    workers: int = 1
    shortlist: Shortlist | None = None

    def translate(
        self, texts: Sequence[str], attention: bool = False, options: DecodingOptions = DEFAULT
    ) -> list[TranslationResult]:
        """A translation of each text, in the order given; a text without words stays empty.

        Args:
            texts: one sentence each.
            attention: also give the weights over the source words.
            options: how words are searched for.

        Raises:
            UserError: the options do not fit the model, see ``check``; or a worker was killed.
        """
        return [found[0] for found in self.hypotheses(texts, attention, options)]

    def hypotheses(
        self, texts: Sequence[str], attention: bool = False, options: DecodingOptions = DEFAULT
    ) -> list[list[TranslationResult]]:
        """The ``options.nbest`` best translations of each text, the best first; at least one. See ``translate``."""
        table = self.check(options)
        ids = [_cut(one) for one in self.source.encode(texts)]
        rows = [row for row, one in enumerate(ids) if len(one) > 1]
        parts = list(batches(rows, [len(one) for one in ids], self.batch_size))[::-1]

        def work(part: list[int]) -> list[list[TranslationResult]]:
            return self._batch([Sentence(texts[row], ids[row]) for row in part], attention, options, table)

        workers = min(self.workers, len(parts) // 2)
        done = side_by_side(work, parts, workers) if workers > 1 else map(work, parts)
        found = [[NOTHING]] * len(texts)
        for part, translations in zip(parts, done, strict=True):
            for row, one in zip(part, translations, strict=True):
                found[row] = one
        return found

    def among(self, path: Path) -> Self:
        """The same, which says words of a short-list alone; see ``read_shortlist``.

        Raises:
            UserError: the file cannot be read or is of other words, or a model has no projection to narrow.
        """
        models = self.model.models if isinstance(self.model, Ensemble) else [self.model]
        for model in models:
            if not hasattr(model, "generator"):
                raise UserError(f"shortlist={path}: {type(model).__name__} has no generator: leave it out.")
        found = read_shortlist(path, self.source.vocabulary, self.target.vocabulary)
        return replace(self, shortlist=found.to(self._device()))

    def rounded(self, precision: str) -> Self:
        """The same, whose products are of weights of fewer bits; see ``seqvise.decoding.quantization``.

        Args:
            precision: ``bf16`` or ``int8``.

        Raises:
            UserError: ``int8``, and the model is not on the CPU, or torch has no such products here.
        """
        device = self._device()
        if precision == "int8" and device.type != "cpu":
            raise UserError(f"precision=int8 is for a CPU, but device={device}: set device=cpu, or precision=bf16.")
        if precision == "bf16" and not has_bf16(device):
            log.warning("precision=bf16: the %s multiplies no bf16 in hardware; fp32 may be faster.", device.type)
        return replace(self, model=quantized(self.model, precision))

    def check(self, options: DecodingOptions, shown: Sequence[str] = ()) -> Table | None:
        """Refuses what this model cannot do.

        Args:
            options: the choices.
            shown: a person's keys that show attention; where a program asks for it, it finds None.

        Returns:
            what stands for unknown words.

        Raises:
            UserError: one sentence for each misfit; or the file that ``unknown`` names cannot be read.
        """
        problems = list(options.problems(""))
        words = len(self.target.vocabulary)
        if options.beam > words:
            problems.append(f"beam is {options.beam}, but there are only {words} words to choose among.")
        needs = {"coverage": options.coverage > 0, "unknown": options.unknown != KEEP, **dict.fromkeys(shown, True)}
        if any(needs.values()) and not self.has_attention():
            problems += [f"{key}: the model has no attention; leave the key out." for key in needs if needs[key]]
        if problems:
            raise UserError(*problems)
        return read_table(options.unknown)

    @torch.no_grad()
    def has_attention(self) -> bool:
        """Whether a step of the model says where it looks."""
        model, device = self._steps(), self._device()
        src = SourceBatch(torch.tensor([[EOS]], device=device), torch.ones(1, dtype=torch.long, device=device))
        memory = model.encode(src)
        return model.step(torch.tensor([BOS], device=device), model.init(memory), memory).attention is not None

    def _batch(
        self, sentences: list[Sentence], attention: bool, options: DecodingOptions, table: Table | None
    ) -> list[list[TranslationResult]]:
        src = source_batch([sentence.ids for sentence in sentences]).to(self._device())
        found = decode(self._steps(), src, options, attention, shortlist=self.shortlist)
        places = None if table is None else attended_positions(self._steps(), src, found.tokens).tolist()
        spelled = [self._one(sentence, found, row) for row, sentence in enumerate(sentences)]
        if table is None or places is None:
            return spelled
        return [
            [self._known(sentence.text, one, places[row][rank], table) for rank, one in enumerate(spelled[row])]
            for row, sentence in enumerate(sentences)
        ]

    def _one(self, sentence: Sentence, found: NBest, row: int) -> list[TranslationResult]:
        heard = _spelled(self.source, sentence.ids)
        scores, log_probs = found.scores[row].tolist(), found.log_probs[row].tolist()
        translations = []
        for rank, tokens in enumerate(found.tokens[row].tolist()):
            if rank and scores[rank] == float("-inf"):
                break
            tokens = [token for token in tokens if token != PAD]
            said = _spelled(self.target, tokens)
            weights = None
            if found.attention is not None:
                weights = found.attention[row, rank, : len(said), : len(heard)].float().cpu().numpy()
            text = self.target.decode(tokens)
            translations.append(TranslationResult(text, heard, said, weights, scores[rank], log_probs[rank]))
        return translations

    def _known(self, text: str, found: TranslationResult, places: list[int], table: Table) -> TranslationResult:
        """The translation without unknown words."""
        unknown = [word == UNKNOWN for word in found.words]
        if not any(unknown):
            return found
        (tokens,) = self.source.tokenizer.tokenize([text])
        source = list(reversed(tokens.words)) if self.source.backwards else list(tokens.words)
        words = replace_unknown(found.words, unknown, places[: len(unknown)], source, table)
        text = self.target.text([word for word in words if word != END])
        return TranslationResult(text, found.source_words, words, found.attention, found.score, found.log_prob)

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
    """The rows sorted by length, in batches of sentences that are about as long as each other.

    Args:
        rows: places in ``lengths``.
        lengths: words of each sentence.
        size: sentences of a batch; fewer where they are longer than ``USUAL``, so that memory stays bounded.
    """
    batch: list[int] = []
    for row in sorted(rows, key=lambda row: lengths[row]):
        if batch and (len(batch) + 1) * max(lengths[row], USUAL) > size * USUAL:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def load_run(
    path: str | Path, device: str = "cpu", batch_size: int = 64, workers: int | None = 1, trust: bool = False
) -> Translator:
    """The translator that a run trained.

    Args:
        path: the run directory.
        device: as torch names them, or ``auto`` for CUDA where there is one.
        batch_size: sentences decoded at once.
        workers: processes that decode side by side; see ``count_workers``.
        trust: import classes outside of seqvise, torch and Lightning that its config names.

    Raises:
        UserError: not the run directory of a translation model, no checkpoint yet, no such device, or several workers
            where there can be one alone.
    """
    return load_ensemble([path], device, batch_size, workers=workers, trust=trust)


def load_ensemble(
    paths: Sequence[str | Path],
    device: str = "cpu",
    batch_size: int = 64,
    mean: str = "probs",
    workers: int | None = 1,
    trust: bool = False,
) -> Translator:
    """The translator of several runs that decode as one.

    Args:
        paths: the run directories, at least one.
        device: as torch names them, or ``auto`` for CUDA where there is one.
        batch_size: sentences decoded at once.
        mean: of ``probs`` or of ``log_probs``; see ``Ensemble``.
        workers: processes that decode side by side; see ``count_workers``.
        trust: import classes outside of seqvise, torch and Lightning that their configs name.

    Raises:
        UserError: as ``load_run``; or the runs have different vocabularies or tokenizers.
    """
    place = find_device(device)
    count = count_workers(workers, place)
    runs = [Run.open(path, trust) for path in paths]
    models = [load_seq2seq(run) for run in runs]
    for run in runs[1:]:
        check_same_words(runs[0], run)
    model = models[0] if len(models) == 1 else Ensemble(models, mean).eval()
    return Translator(model.to(place), runs[0].source, runs[0].target, batch_size, count)


def count_workers(asked: int | None, device: torch.device) -> int:
    """How many processes decode: ``asked``, or on a CPU one for each thread that torch would compute with.

    Raises:
        UserError: none; or several on another device, or where processes cannot be forked.
    """
    alone = (
        f"device={device.type} has one" if device.type != "cpu" else "only Linux forks them" if not can_fork() else ""
    )
    if asked is None:
        return 1 if alone else torch.get_num_threads()
    if asked < 1:
        raise UserError(f"workers is {asked}, but at least one process must translate.")
    if asked > 1 and alone:
        raise UserError(f"workers is {asked}, but {alone}: leave it out.")
    return asked


def find_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        UserError: the name is not one, or there is no such device here.
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


def _cut(ids: Ids) -> Ids:
    if len(ids) <= LONGEST:
        return ids
    log.warning("A line of %d words is read up to its word %d.", len(ids) - 1, LONGEST - 1)
    return np.append(ids[: LONGEST - 1], ids[-1:])


def _spelled(codec: TextCodec, ids: Sequence[int] | NDArray[np.integer]) -> list[str]:
    """The words of the ids up to and with the end mark, if there is one."""
    words = codec.words(ids)
    ended = len(words) < len(ids)
    return [*words, END] if ended else words
