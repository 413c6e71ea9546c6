"""Whether the sides of a corpus are in the languages that they are said to be in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from seqvise.corpus.parallel.options import DataOptions

PAIRS = 2000
_ENOUGH = 20
_TIMES = 3
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
"""Some of the most frequent words of a language, by its code."""


class LanguageCheck:
    """Counts the stop words of both languages on each side of a corpus's first pairs.

    It has no opinion where it lacks the stop words of one of the languages, or where the sides have few of them.
    """

    def __init__(self, data: DataOptions) -> None:
        self._data = data
        self._languages = data.languages()
        known = [set(STOP_WORDS.get(language, "").split()) for language in self._languages]
        self._words = (known[0] - known[1], known[1] - known[0]) if all(known) else None
        self._left = PAIRS if self._words else 0
        self._counts = [[0, 0], [0, 0]]  # of a side, words of each language

    def see(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Counts the words of pairs (source, target), until there were enough."""
        if self._words is None:
            return
        for pair in islice(pairs, self._left):
            self._left -= 1
            for counts, text in zip(self._counts, pair, strict=True):
                words = _WORD.findall(text.lower())
                for language, known in enumerate(self._words):
                    counts[language] += sum(word in known for word in words)

    def warnings(self) -> Iterator[str]:
        """A sentence where the sides read like each other's language, or like the same one."""
        source, target = self._languages
        crossed = [_mostly(self._counts[0], 1), _mostly(self._counts[1], 0)]
        if all(crossed):
            yield (
                f"The sides look swapped: the first pairs read like {target} in the source and {source} in the target. "
                f"Swap data.source and data.target, or the files' names."
            )
        elif any(crossed):
            side, said, found = ("source", source, target) if crossed[0] else ("target", target, source)
            yield f"The {side} side should be {said}, but its first lines read like {found}: look at data.{side}."


def _mostly(counts: list[int], language: int) -> bool:
    return counts[language] >= _ENOUGH and counts[language] > _TIMES * counts[1 - language]
