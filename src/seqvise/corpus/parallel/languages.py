"""Checks that the sides of a corpus are in their declared languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from seqvise.corpus.parallel.options import DataOptions

PAIRS = 2000
_MIN_COUNT = 20
_MIN_RATIO = 3
_WORD = re.compile(r"[^\W\d_]+")
STOP_WORDS = {
    "de": "der die und das ist nicht ein eine ich zu mit auf sie wir den dem er auch wie für von haben hat wird sich",
    "en": "the of and is are you that it he was for with his they this have from what were we when your how she who",
    "es": "el los las una es por con para está pero como muy también qué son del más yo lo esto cuando nosotros",
    "fr": "le les des est une dans qui que pas pour je vous nous ce sur avec il elle sont du et quel où être cette",
    "it": "il gli che è della non per sono di una con come anche questo nel più ha lo io alla dei cosa perché",
    "nl": "het een van ik niet dat je zijn op te met voor hij maar aan ook wat heeft deze naar zij wij bij",
    "pt": "os uma não é em um para com do da ele como mais você isso são eu muito também seu está pelo ao",
}
"""Language code -> some of its most frequent words."""


class LanguageCheck:
    """Counts the stop words of both languages on each side of the first pairs of a corpus.

    It never warns if the stop words of one of the languages are not known, or if the sides have few of them.
    """

    def __init__(self, data: DataOptions) -> None:
        self._data = data
        self._languages = data.languages()
        lists = [set(STOP_WORDS.get(language, "").split()) for language in self._languages]
        self._stop_words = (lists[0] - lists[1], lists[1] - lists[0]) if all(lists) else None
        self._remaining = PAIRS if self._stop_words else 0
        self._counts = [[0, 0], [0, 0]]  # side, language of the stop words

    def update(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Counts the stop words of pairs (source, target), of the first ``PAIRS`` pairs in all."""
        if self._stop_words is None:
            return
        for pair in islice(pairs, self._remaining):
            self._remaining -= 1
            for counts, text in zip(self._counts, pair, strict=True):
                words = _WORD.findall(text.lower())
                for language, stop_words in enumerate(self._stop_words):
                    counts[language] += sum(word in stop_words for word in words)

    def warnings(self) -> Iterator[str]:
        """A sentence if the sides appear to be swapped, or in the same language."""
        source, target = self._languages
        crossed = [_mostly(self._counts[0], 1), _mostly(self._counts[1], 0)]
        if all(crossed):
            yield (
                f"The sides look swapped: the first pairs read like {target} in the source and {source} in the target. "
                f"Swap data.source and data.target, or the file names."
            )
        elif any(crossed):
            side, expected, detected = ("source", source, target) if crossed[0] else ("target", target, source)
            yield f"The {side} side should be {expected}, but its first lines read like {detected}: check data.{side}."


def _mostly(counts: list[int], language: int) -> bool:
    return counts[language] >= _MIN_COUNT and counts[language] > _MIN_RATIO * counts[1 - language]
