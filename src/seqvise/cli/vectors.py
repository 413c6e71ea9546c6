"""``seqvise vectors``: inspects a file of word vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from seqvise.cli.support.plain_command import plain_command
from seqvise.config.options import PathOptions
from seqvise.errors import UserError
from seqvise.paths import cache_folder
from seqvise.plain_text import printable
from seqvise.retrieval.options import COMBINATIONS
from seqvise.vectors.options import ENDINGS


@dataclass(frozen=True)
class VectorsOptions:
    """Options of `seqvise vectors`."""

    file: Annotated[Path, f"a file of word vectors: {', '.join(ENDINGS)}"]
    words: Annotated[tuple[str, ...], "words to compare, separated by commas or spaces; can be repeated"] = ()
    query: Annotated[tuple[str, ...], 'sums and differences, e.g. "paris - france + rome"; can be repeated'] = ()
    k: Annotated[int, "number of neighbours of each word and query"] = 10
    combine: Annotated[str, "unit: words of a sum have equal weight; raw: word vectors keep their lengths"] = "unit"
    limit: Annotated[
        int | None, "read only this many words from the start of the file, where the most frequent are"
    ] = None
    cache: Annotated[Path, "the cache folder"] = Path(PathOptions.cache)

    def errors(self) -> Iterator[str]:
        """A message for each invalid value."""
        if not self.file.name.endswith(ENDINGS):
            yield f"file is '{self.file}', but its name must end in one of {', '.join(ENDINGS)}."
        elif not self.file.is_file():
            yield f"file is '{self.file}', but there is no such file."
        if self.k < 1:
            yield f"k is {self.k}, but must be at least 1."
        if self.limit is not None and self.limit < 1:
            yield f"limit is {self.limit}, but must be at least 1."
        if self.combine not in COMBINATIONS:
            yield f"combine is '{self.combine}', but must be one of {', '.join(COMBINATIONS)}."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise vectors`` and returns its exit code."""
    return plain_command("vectors", VectorsOptions, describe, argv)


def describe(options: VectorsOptions) -> None:
    """Prints statistics of the file, neighbours and similarities of words, and the results of queries.

    Raises:
        UserError: an option is invalid, the file is damaged, or a word has no vector. Nothing is printed.
    """
    from seqvise.retrieval.queries import word_query
    from seqvise.vectors.describe import look_up, neighbours, similarities, summary, words_report
    from seqvise.vectors.lexicon import Lexicon

    if messages := list(options.errors()):
        raise UserError(*messages)
    lexicon = Lexicon.read(options.file, cache_folder(PathOptions(cache=str(options.cache))), options.limit)
    if not len(lexicon):
        raise UserError(f"file is '{options.file}', but has no words.")
    entries = look_up(lexicon, [word for text in options.words for word in split(text)])
    queries = [word_query(text, lexicon, options.combine) for text in options.query]
    _write(summary(lexicon))
    if entries:
        _write(words_report(lexicon, entries, options.k))
    if len(entries) > 1:
        _write(similarities(entries))
    for query in queries:
        query_words = [word for term in query.terms for word in (term.text, *term.text.split())]
        nearest = neighbours(lexicon.nearest(query.vector, options.k, without=query_words))
        _write([query.text, *query.notes, *(f"  {line}" for line in nearest)])


def split(text: str) -> list[str]:
    """The words of a list, separated by commas or, if it has no comma, by spaces."""
    return [word.strip() for word in text.split("," if "," in text else None) if word.strip()]


def _write(lines: Iterator[str] | Sequence[str]) -> None:
    print("\n".join(map(printable, lines)), end="\n\n")
