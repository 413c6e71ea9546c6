"""Tables of plain label names and their WordNet synsets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from seqvise.errors import UserError
from seqvise.images.wordnet import is_synset


def synset_table(file: Path | None, names: Iterable[str]) -> Mapping[str, str]:
    """The synsets of labels: those of a file, or of the built-in table where it has all of the names.

    Args:
        file: lines of a label, a tab and a synset id, which is empty where there is none; None for the built-in one.
        names: the labels, whose case does not matter.

    Returns:
        A synset id for each of the names that the table has, empty where it says that there is none.

    Raises:
        UserError: the file is missing, or a line is of another form.
    """
    wanted = list(names)
    table = {label.casefold(): synset for label, synset in (_read(file) if file else caltech101()).items()}
    found = {name: table[name.casefold()] for name in wanted if name.casefold() in table}
    return found if file is not None or len(found) == len(wanted) else {}


def caltech101() -> Mapping[str, str]:
    """The synsets of Caltech-101's folders, empty for those that WordNet does not know.

    A folder that shows a part of a thing, as ``car_side`` or ``crocodile_head``, has the synset of the thing;
    ``ceiling_fan`` and ``stop_sign``, which WordNet lacks, that of the electric fan and of the street sign.
    """
    return _parsed(
        "caltech101.tsv", resources.files("seqvise.images").joinpath("data/caltech101.tsv").read_text("utf-8")
    )


def _read(file: Path) -> Mapping[str, str]:
    try:
        return _parsed(str(file), file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as a table of synsets: {error}.") from None


def _parsed(name: str, text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        label, tab, synset = line.rstrip("\r").partition("\t")
        if not line.strip():
            continue
        if not tab or (synset and not is_synset(synset)):
            raise UserError(f"{name}, line {number} is '{line}', but must be a label, a tab and a synset as n02084071.")
        if label in found:
            raise UserError(f"{name}, line {number}: '{label}' stands there for the second time.")
        found[label] = synset
    return found
