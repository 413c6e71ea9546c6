"""``seqvise vectors``: the first look at a file of word vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from seqvise.cli.support.plain_command import words_command
from seqvise.config.options import PathOptions
from seqvise.errors import UserError
from seqvise.paths import cache_folder
from seqvise.plain_text import printable
from seqvise.retrieval.options import COMBINATIONS
from seqvise.vectors.options import ENDINGS


@dataclass(frozen=True)
class VectorsOptions:
    """What `seqvise vectors` is told."""

    file: Annotated[Path, f"a file of word vectors: {', '.join(ENDINGS)}"]
    words: Annotated[
        tuple[str, ...], "words to compare, commas or else spaces between them; may be given several times"
    ] = ()
    query: Annotated[
        tuple[str, ...], 'sums and differences, as "paris - france + rome"; may be given several times'
    ] = ()
    k: Annotated[int, "neighbours of each word and query"] = 10
    combine: Annotated[str, "unit: each word of a sum has the same weight; raw: its vector as it is"] = "unit"
    limit: Annotated[int | None, "read no more than so many of the file's first words, which are the most frequent"] = (
        None
    )
    cache: Annotated[Path, "the folder of what is made once"] = Path(PathOptions.cache)

    def problems(self) -> Iterator[str]:
        """Sentences about values that cannot be right."""
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
    """Prints what the words ask for and gives the exit code."""
    return words_command("vectors", VectorsOptions, look, argv)


def look(options: VectorsOptions) -> None:
    """Prints the file's numbers, what is around each word, the words' similarities, and the answers to queries.

    Raises:
        UserError: a wrong option, a damaged file, or words without a vector; nothing is printed then.
    """
    from seqvise.retrieval.queries import word_query
    from seqvise.vectors.describe import look_up, neighbours, similarities, summary, words_report
    from seqvise.vectors.lexicon import Lexicon

    if problems := list(options.problems()):
        raise UserError(*problems)
    lexicon = Lexicon.read(options.file, cache_folder(PathOptions(cache=str(options.cache))), options.limit)
    if not len(lexicon):
        raise UserError(f"{options.file} holds no words.")
    entries = look_up(lexicon, [word for text in options.words for word in split(text)])
    queries = [word_query(text, lexicon, options.combine) for text in options.query]
    _write(summary(lexicon))
    if entries:
        _write(words_report(lexicon, entries, options.k))
    if len(entries) > 1:
        _write(similarities(entries))
    for query in queries:
        used = [word for term in query.terms for word in (term.text, *term.text.split())]
        found = neighbours(lexicon.nearest(query.vector, options.k, without=used))
        _write([query.text, *query.notes, *(f"  {line}" for line in found)])


def split(text: str) -> list[str]:
    """The words of a list: between commas, or, where there is none, between spaces."""
    return [word.strip() for word in text.split("," if "," in text else None) if word.strip()]


def _write(lines: Iterator[str] | Sequence[str]) -> None:
    print("\n".join(map(printable, lines)), end="\n\n")
