"""Scores of translated text by sacreBLEU, with the signatures that make them comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TITLES = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}
"""Display names of the metrics of ``text_metrics``; lower is better for TER, higher for the others."""


@dataclass(frozen=True)
class TextScores:
    """Corpus scores of detokenised text against the raw references."""

    bleu: float  # 0 to 100 (Papineni et al. 2002), 13a tokens.
    chrf: float  # 0 to 100 (Popović 2015), chrF2
    signatures: dict[str, str]  # sacreBLEU's signature of each score (Post 2018)


def score_text(outputs: Sequence[str], references: Sequence[str], lowercase: bool) -> TextScores:
    """BLEU and chrF of ``outputs`` against one reference each.

    Args:
        outputs: detokenised translations.
        references: the raw reference lines, one per translation.
        lowercase: ignore case, for models whose tokenizer lower-cases.
    """
    metrics = text_metrics(lowercase)
    bleu, chrf = metrics["bleu"], metrics["chrf"]
    references = [list(references)]  # type: ignore[list-item]
    scores = {"bleu": bleu.corpus_score(outputs, references), "chrf": chrf.corpus_score(outputs, references)}
    signatures = {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}
    return TextScores(scores["bleu"].score, scores["chrf"].score, signatures)


def text_metrics(lowercase: bool) -> dict[str, Any]:
    """sacreBLEU's metrics for detokenised text, by name: BLEU, chrF2 and TER (Snover et al. 2006).

    Args:
        lowercase: ignore case. If false, TER respects case, too, unlike its default in sacreBLEU.
    """
    from sacrebleu.metrics import BLEU, CHRF, TER

    return {
        "bleu": BLEU(lowercase=lowercase),
        "chrf": CHRF(lowercase=lowercase),
        "ter": TER(case_sensitive=not lowercase),
    }


def token_metric() -> Any:
    """sacreBLEU's BLEU for tokenised text: space-separated tokens, compared without further tokenisation."""
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize="none", force=True)
