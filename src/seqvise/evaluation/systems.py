"""What is evaluated: translations of one corpus, and how likely their model finds the references."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

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

BATCHES = 16
"""Batches of each process that are translated between two movements of the progress bar."""


class Decoded(NamedTuple):
    """Translations of N sentences.

    Attributes:
        texts: detokenised.
        words: as the model said them, or the tokenizer's pieces of what it said, between single spaces.
        seconds: how long it took.
    """

    texts: list[str]
    words: list[str]
    seconds: float


class Tokens(NamedTuple):
    """Both sides in words between single spaces, and how they were made."""

    outputs: list[str]
    references: list[str]
    signature: str


@dataclass(frozen=True, eq=False)
class System:
    """One system's translations of N sentences.

    Attributes:
        name: where they come from: a run directory or a file.
        texts: the translations.
        tokens: the same in words, by the name of the tokenizer: ``own``, ``moses``.
        loss: of the references under the system's model; None where it is a file.
        seconds: spent on translating; None where nothing was translated.
    """

    name: str
    texts: list[str]
    tokens: dict[str, Tokens]
    loss: ReferenceLoss | None = None
    seconds: float | None = None


def run_system(
    translator: Translator, name: str, corpus: Corpus, moses: bool, options: DecodingOptions, texts: list[str] | None
) -> System:
    """A run's translations and loss.

    Args:
        translator: of the run.
        name: the run directory.
        corpus: the sentences.
        moses: split into Moses's words too.
        options: how words are searched for.
        texts: the run's translations, where they are there already.
    """
    loss = loss_of_references(translator, corpus.sources, corpus.references)
    if texts is not None:
        return replace(file_system(translator.target, name, corpus, moses, texts), loss=loss)
    found = decode(translator, name, corpus.sources, options)
    tokens = token_sides(translator.target, moses, corpus.references, found.texts, found.words)
    return System(name, found.texts, tokens, loss, found.seconds)


def file_system(codec: TextCodec, name: str, corpus: Corpus, moses: bool, texts: list[str]) -> System:
    """Translations from a file. codec: of the target side of the run that they are compared with."""
    return System(name, texts, token_sides(codec, moses, corpus.references, texts, own_tokens(codec, texts)))


def compares_without_case(translator: Translator) -> bool:
    """Whether the run's text is compared without case, since its tokenizer does not keep it."""
    return translator.target.options.case != "keep"


def decode(translator: Translator, name: str, texts: Sequence[str], options: DecodingOptions) -> Decoded:
    """Translates every text, with a progress bar where standard error is a terminal."""
    started = time.perf_counter()
    outputs, words = [], []
    step = BATCHES * translator.batch_size * translator.workers
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"translating: {name}", total=len(texts))
        for start in range(0, len(texts), step):
            found = translator.translate(texts[start : start + step], options=options)
            outputs += [translation.text for translation in found]
            words += [join_words(_in_order(translator.target, translation.words)) for translation in found]
            progress.advance(task, len(found))
    seconds = time.perf_counter() - started
    # The same text can be said in other pieces than those that the tokenizer cuts the reference into.
    return Decoded(
        outputs, words if translator.target.pieces is None else own_tokens(translator.target, outputs), seconds
    )


def _in_order(codec: TextCodec, said: Sequence[str]) -> list[str]:
    """A model's words from the first of the text to its last, without the end mark."""
    words = [word for word in said if word != END]
    return words[::-1] if codec.backwards else words


def own_tokens(codec: TextCodec, texts: Sequence[str]) -> list[str]:
    """Texts in the words of a run's target tokenizer, prepared as its model sees them."""
    return [join_words(tokens.words) for tokens in codec.tokenizer.tokenize(texts)]


def token_sides(
    codec: TextCodec, moses: bool, references: Sequence[str], texts: list[str], words: list[str]
) -> dict[str, Tokens]:
    """The outputs and references in words.

    Args:
        codec: of the target side.
        moses: in Moses's words too.
        references: N texts.
        texts: the detokenised outputs.
        words: the outputs in the codec's own words.
    """
    options = codec.options
    made = f"tokenizer={options.name}, {options.case}{', normalised' if options.normalise else ''}"
    own = Tokens(words, own_tokens(codec, references), made)
    if not moses:
        return {"own": own}
    lowercase = options.case != "keep"
    tokenise = moses_tokeniser(codec.language, lowercase)
    outputs, wanted = (list(map(tokenise, side)) for side in (texts, references))
    return {"own": own, "moses": Tokens(outputs, wanted, moses_signature(lowercase))}


def loss_of_references(translator: Translator, sources: Sequence[str], references: Sequence[str]) -> ReferenceLoss:
    """The loss of the references of all pairs that have a word on both sides, or of all where none has."""
    full = [row for row in range(len(sources)) if has_word(sources[row]) and has_word(references[row])]
    rows = full or list(range(len(sources)))
    source, target = (
        codec.encode([texts[row] for row in rows])
        for codec, texts in ((translator.source, sources), (translator.target, references))
    )
    model = translator.model
    device = next(model.parameters()).device
    return reference_loss(cast(Seq2SeqModel[Any, Any], model), source, target, translator.batch_size, device)
