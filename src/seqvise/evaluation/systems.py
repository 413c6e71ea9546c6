"""The evaluated systems: translations of a corpus, and the loss of its references under the model."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar, cast

from rich.console import Console
from rich.progress import Progress

from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.tokenizers import has_word
from seqvise.decoding.options import DecodingOptions
from seqvise.evaluation.corpus import Corpus
from seqvise.inference.translator import END, Translator
from seqvise.metrics.groups import join_words, moses_signature, moses_tokeniser
from seqvise.metrics.perplexity import ReferenceLoss, reference_loss
from seqvise.models.interface import Seq2SeqModel

ItemT = TypeVar("ItemT")
BATCHES = 16
"""Batches per process between two updates of the progress bar."""


class Decoded(NamedTuple):
    """Translations of N sentences.

    Attributes:
        texts: detokenised translations.
        words: the words of the model, or the tokenizer's pieces of the text, joined by single spaces.
        seconds: decoding time.
    """

    texts: list[str]
    words: list[str]
    seconds: float


class ScoredTokens(NamedTuple):
    """Outputs and references as words joined by single spaces, and the signature of their tokenization."""

    outputs: list[str]
    references: list[str]
    signature: str


@dataclass(frozen=True, eq=False)
class System:
    """One system's translations of N sentences.

    Attributes:
        name: a run directory or a file.
        texts: the detokenised translations.
        tokens: the translations in words, by tokenizer: ``own``, ``moses``.
        loss: loss of the references under the model; None for a file.
        seconds, beam: decoding time and beam size; None if nothing was translated.
    """

    name: str
    texts: list[str]
    tokens: dict[str, ScoredTokens]
    loss: ReferenceLoss | None = None
    seconds: float | None = None
    beam: int | None = None


def run_system(
    translator: Translator, name: str, corpus: Corpus, moses: bool, options: DecodingOptions, texts: list[str] | None
) -> System:
    """The translations and loss of a run.

    Args:
        translator: the translator of the run.
        name: the run directory.
        corpus: the sentences.
        moses: also tokenize with the Moses tokenizer.
        options: decoding options.
        texts: existing translations of the run; None to translate the corpus.
    """
    loss = loss_of_references(translator, corpus.sources, corpus.references)
    if texts is not None:
        return replace(file_system(translator.target, name, corpus, moses, texts), loss=loss)
    decoded = decode(translator, name, corpus.sources, options)
    tokens = token_sides(translator.target, moses, corpus.references, decoded.texts, decoded.words)
    return System(name, decoded.texts, tokens, loss, decoded.seconds, options.beam)


def file_system(codec: TextCodec, name: str, corpus: Corpus, moses: bool, texts: list[str]) -> System:
    """A system of translations from a file. codec: target side of the evaluated run."""
    return System(name, texts, token_sides(codec, moses, corpus.references, texts, tokenized_by_codec(codec, texts)))


def compares_without_case(translator: Translator) -> bool:
    """Whether text is compared without case, because the run's tokenizer does not preserve it."""
    return translator.target.options.case != "keep"


def decode(translator: Translator, name: str, texts: Sequence[str], options: DecodingOptions) -> Decoded:
    """Translates all texts, with a progress bar if standard error is a terminal."""
    started = time.perf_counter()
    outputs, words = [], []
    for part in with_progress(f"translating: {name}", texts, BATCHES * translator.batch_size * translator.workers):
        translations = translator.translate(part, options=options)
        outputs += [translation.text for translation in translations]
        words += [join_words(_in_order(translator.target, translation.words)) for translation in translations]
    seconds = time.perf_counter() - started
    # The model can segment a text into other pieces than the tokenizer, which segments the references.
    return Decoded(
        outputs, words if translator.target.pieces is None else tokenized_by_codec(translator.target, outputs), seconds
    )


def with_progress(title: str, items: Sequence[ItemT], size: int) -> Iterator[Sequence[ItemT]]:
    """Yields parts of a sequence, with a progress bar if standard error is a terminal. size: items per part."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(title, total=len(items))
        for start in range(0, len(items), size):
            part = items[start : start + size]
            yield part
            progress.advance(task, len(part))


def _in_order(codec: TextCodec, words: Sequence[str]) -> list[str]:
    """The output words in text order, without the end mark."""
    ordered = [word for word in words if word != END]
    return ordered[::-1] if codec.backwards else ordered


def tokenized_by_codec(codec: TextCodec, texts: Sequence[str]) -> list[str]:
    """Texts tokenized and normalised by a run's target tokenizer, as for its model."""
    return [join_words(tokens.words) for tokens in codec.tokenizer.tokenize(texts)]


def token_sides(
    codec: TextCodec, moses: bool, references: Sequence[str], texts: list[str], words: list[str]
) -> dict[str, ScoredTokens]:
    """The tokenized outputs and references by tokenizer.

    Args:
        codec: the codec of the target side.
        moses: also tokenize with the Moses tokenizer.
        references: N texts.
        texts: the detokenised outputs.
        words: the outputs in words of the codec.
    """
    options = codec.options
    signature = f"tokenizer={options.name}, {options.case}{', normalised' if options.normalise else ''}"
    run_tokens = ScoredTokens(words, tokenized_by_codec(codec, references), signature)
    if not moses:
        return {"own": run_tokens}
    lowercase = options.case != "keep"
    tokenise = moses_tokeniser(codec.language, lowercase)
    moses_outputs, moses_references = (list(map(tokenise, side)) for side in (texts, references))
    return {"own": run_tokens, "moses": ScoredTokens(moses_outputs, moses_references, moses_signature(lowercase))}


def loss_of_references(translator: Translator, sources: Sequence[str], references: Sequence[str]) -> ReferenceLoss:
    """The loss of the references over all pairs with a word on both sides; over all pairs if there are none."""
    non_empty = [row for row in range(len(sources)) if has_word(sources[row]) and has_word(references[row])]
    rows = non_empty or list(range(len(sources)))
    source, target = (
        codec.encode([texts[row] for row in rows])
        for codec, texts in ((translator.source, sources), (translator.target, references))
    )
    model = translator.model
    device = next(model.parameters()).device
    return reference_loss(cast(Seq2SeqModel[Any, Any], model), source, target, translator.batch_size, device)
