"""ImageNet's classes and WordNet's noun synsets as search candidates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from seqvise.errors import UserError
from seqvise.files import digest, digest_file, locked
from seqvise.images.labels import LabelTable, label_table
from seqvise.images.wordnet import CLASSES, EDGES, WORDS, WordNet, read_class_index
from seqvise.retrieval.options import IMAGENET, WORDNET
from seqvise.retrieval.results import LabelCandidates
from seqvise.vectors.lexicon import Lexicon

FORMAT = 1


class Classes(NamedTuple):
    """Candidates of a search, the number of all classes, and the number of classes without a vector."""

    candidates: LabelCandidates
    total: int
    without_vector: int


def class_problems(to: str, folder: Path | None, hypernyms: float = 0.0) -> list[str]:
    """Messages about missing files that a kind of candidates needs. folder: the folder of WordNet's files."""
    if folder is None:
        return [f"to={to} needs the folder of WordNet's files: set wordnet=FOLDER."]
    needed = [WORDS, *([CLASSES] if to == IMAGENET else []), *([EDGES] if hypernyms else [])]
    missing = [folder / name for name in needed if not (folder / name).is_file()]
    return [f"to={to} needs {path}, which is missing: set wordnet=FOLDER." for path in missing]


def find_classes(to: str, folder: Path, policy: str, lexicon: Lexicon, cache: Path, hypernyms: float = 0.0) -> Classes:
    """The classes that have a vector; cached by lexicon and policy.

    Args:
        to: ``imagenet`` for the 1,000 classes of ILSVRC 2012, ``wordnet`` for all noun synsets.
        folder: contains ``words.txt`` and, for ImageNet, ``imagenet_class_index.json``.
        policy: how a class gets its vector; see ``label_table``.
        hypernyms: weight of the hypernyms in a class's vector, as in training; above 0 it needs ``parent_child.txt``.

    Raises:
        UserError: a file is missing or damaged.
    """
    if messages := class_problems(to, folder, hypernyms):
        raise UserError(*messages)
    files = [digest_file(folder / WORDS), digest_file(folder / CLASSES) if to == IMAGENET else ""]
    lexicon_key = [lexicon.name, len(lexicon), digest("\n".join(lexicon.words)), digest(lexicon.matrix[:100].tobytes())]
    hypernym_key = [hypernyms, digest_file(folder / EDGES)] if hypernyms else []
    table_folder = cache / "classes" / f"{to}-{digest(json.dumps([FORMAT, files, policy, lexicon_key, *hypernym_key]))}"
    with locked(table_folder.with_name(f".{table_folder.name}.lock")):
        if not table_folder.exists():
            wordnet = WordNet.read(folder / WORDS, folder / EDGES if hypernyms else None)
            names = wordnet.synsets if to == WORDNET else [synset for synset, _ in read_class_index(folder / CLASSES)]
            table = label_table(names, policy, lexicon, wordnet, missing="leave_out", hypernyms=hypernyms)[0]
            table.save(table_folder)
    table = LabelTable.load(table_folder)
    if to == IMAGENET:
        total = len(read_class_index(folder / CLASSES))
    else:
        with (folder / WORDS).open("rb") as file:
            total = sum(1 for line in file if line.strip())
    return Classes(LabelCandidates.of(table.names, table.titles, table.vectors), total, total - len(table))
