"""Small corpora for the tests of this package."""

from __future__ import annotations

from pathlib import Path

from seqvise.corpus.parallel.options import DataOptions
from seqvise.corpus.tokens.options import TokenizerOptions

Pairs = list[tuple[str, str]]
WORDS = TokenizerOptions(name="words")


def paired(root: Path, pairs: Pairs, **choices: object) -> DataOptions:
    """Writes ``train.fr`` and ``train.en``; returns the options that read them."""
    write_side(root / "train.fr", [french for french, _ in pairs])
    write_side(root / "train.en", [english for _, english in pairs])
    return options(root, "paired", "train", choices)


def tabbed(root: Path, pairs: Pairs, **choices: object) -> DataOptions:
    """Writes ``pairs.txt``, English first; returns the options that read it."""
    write_side(root / "pairs.txt", [f"{english}\t{french}\tnotes" for french, english in pairs])
    return options(root, "tabbed", "pairs.txt", choices)


def write_side(path: Path, lines: list[str]) -> None:
    """Writes lines, each with a line feed."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def options(root: Path, layout: str, train: str, choices: dict[str, object]) -> DataOptions:
    """Data options with some fields changed."""
    data = DataOptions(format=layout, root=str(root), train=train)
    for name, value in choices.items():
        assert hasattr(data, name)
        setattr(data, name, value)
    return data


def numbered(count: int) -> Pairs:
    """``count`` pairs, all different on both sides."""
    return [(f"il y a {n} chats ici .", f"there are {n} cats here.") for n in range(count)]
