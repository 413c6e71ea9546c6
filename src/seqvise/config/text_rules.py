"""What the data, the model and the other choices of a run on documents must have in common."""

from __future__ import annotations

from collections.abc import Iterator

from seqvise.config.options import Config
from seqvise.config.schema import MODEL_OPTIONS
from seqvise.corpus.text_options import LABELS, STREAM, TextOptions
from seqvise.models.language_options import ClassifierOptions, EncoderOptions, LanguageModelOptions

MODELS: dict[str, tuple[str, type[EncoderOptions], str]] = {
    STREAM: ("model=awd_lstm", LanguageModelOptions, "data=text_lines"),
    LABELS: ("model=text_classifier", ClassifierOptions, "data=text_labels"),
}
"""For each kind of documents the shipped model that reads it, and the data that the model reads."""


def text_problems(config: Config) -> Iterator[str]:
    """A sentence for each combination that cannot be right."""
    yield from _model_and_data(config)
    if not isinstance(config.data, TextOptions):
        return
    if config.vectors.name != "none":
        yield f"vectors={config.vectors.name}, but a model of documents starts from model.encoder: choose vectors=none."
    if config.tokenizer.sampling is not None:
        yield "tokenizer.sampling draws sub-words for translation only: set it to null."
    if config.loss.label_smoothing and getattr(config.model, "adaptive", None):
        yield (
            f"loss.label_smoothing is {config.loss.label_smoothing:g}, but reads all words, which model.adaptive is "
            "there to avoid: set loss.label_smoothing=0 or model.adaptive=null."
        )
    if config.loss.sampled and getattr(config.model, "adaptive", None):
        yield "loss.sampled and model.adaptive are two ways out of a large vocabulary: set one of them to null."
    if config.loss.sampled and isinstance(config.model, ClassifierOptions):
        yield "loss.sampled draws words, but a classifier foretells labels: set it to null."
    if config.loss.count_padding:
        yield "loss.count_padding is true, but documents in a stream have no padding: set it to false."


def _model_and_data(config: Config) -> Iterator[str]:
    kind = getattr(config.data, "kind", "parallel")
    for wanted, (choice, options, data) in MODELS.items():
        is_data, is_model = kind == wanted, isinstance(config.model, options)
        if is_model and not is_data:
            yield f"{choice} does not read data.kind={kind}: choose {data}, or another model."
        target = getattr(config.model, "_target_", "")
        if is_data and not is_model and target in MODEL_OPTIONS:
            yield f"data.kind is {kind}, which {target} does not read: choose {choice}."
