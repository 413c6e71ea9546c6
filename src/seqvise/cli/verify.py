"""``seqvise verify``: compares every byte of runs, stores, features and indexes with their checksums."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from seqvise.cli.support.plain_command import plain_command
from seqvise.errors import RunFailedError, UserError
from seqvise.plain_text import printable

MANIFEST, NETWORKS = "manifest.json", "networks"
_HASH = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class VerifyOptions:
    """Options of `seqvise verify`."""

    path: Annotated[
        tuple[Path, ...],
        "a run, token store, feature folder or index, or a folder of these; PATH is the same as path=PATH",
    ]


@dataclass(frozen=True)
class Finding:
    """The state of one run, store or index.

    Attributes:
        path: its folder.
        kind: run, token store, features, index, word vectors or labels.
        damages: a message without full stop for each damaged file.
        remedy: how to replace damaged files.
        unknown: whether there are no checksums to compare.
    """

    path: Path
    kind: str
    damages: tuple[str, ...]
    remedy: str
    unknown: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``seqvise verify`` and returns its exit code."""
    import sys

    args = list(sys.argv[1:] if argv is None else argv)
    return plain_command("verify", VerifyOptions, verify, [_argument(argument) for argument in args])


def _argument(argument: str) -> str:
    return argument if argument.startswith(("path=", "-h", "--help")) else f"path={argument}"


def verify(options: VerifyOptions) -> None:
    """Prints one line for each run, store and index, and one for each damaged file.

    Raises:
        UserError: a path does not exist or contains nothing that can be verified.
        RunFailedError: a file is damaged.
    """
    damaged = files = 0
    for path in options.path:
        if not path.is_dir():
            raise UserError(f"path={path} {'is a file' if path.exists() else 'does not exist'}: set path= to a folder.")
        findings = list(find(path))
        if not findings:
            raise UserError(f"path={path} contains no run, token store, features or index of seqvise.")
        for finding in findings:
            _print(finding)
            damaged, files = damaged + bool(finding.damages), files + len(finding.damages)
    if damaged:
        raise RunFailedError(f"{files} damaged files in {damaged} of the folders above.")


def _print(finding: Finding) -> None:
    state = "damaged" if finding.damages else "without checksums" if finding.unknown else "ok"
    print(f"{state}: {finding.kind} {printable(str(finding.path))}")
    for message in finding.damages:
        print(f"  {printable(message)}: {finding.remedy}")


def find(folder: Path) -> Iterator[Finding]:
    """Everything below a folder that has checksums, in path order, without temporary folders of killed processes."""
    for root, folders, names in os.walk(folder):
        path = Path(root)
        for verify_folder in (_run, _manifest, _labels, _networks):
            if (finding := verify_folder(path, names)) is not None:
                yield finding
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not _inside(name, names))


def _inside(name: str, names: Sequence[str]) -> bool:
    """Whether a folder is part of a run, which verifies it."""
    return "config.yaml" in names and name in ("assets", "checkpoints")


def _run(path: Path, names: Sequence[str]) -> Finding | None:
    from seqvise.runs.integrity import REMEDY, has_checksums, run_damages

    if "config.yaml" not in names or path.name == ".hydra":
        return None
    return Finding(path, "run", tuple(run_damages(path)), REMEDY, not has_checksums(path))


def _manifest(path: Path, names: Sequence[str]) -> Finding | None:
    """A folder with a manifest. The kind follows from the manifest's keys or, if they are damaged, from the files."""
    if MANIFEST not in names:
        return None
    try:
        content = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        problem = "" if isinstance(content, dict) else "is not a JSON object"
    except (OSError, ValueError) as error:
        content, problem = {}, f"cannot be read ({error})"
    for kind, keys, verify_folder, remedy in _KINDS:
        if any(key in content or key in names for key in keys):
            messages = (f"{MANIFEST} {problem}",) if problem else tuple(verify_folder(path, content))
            unknown = not any(name in content for name in ("hash", "seal"))
            return Finding(path, kind, messages, remedy, unknown)
    return None


def _index(path: Path, _content: Mapping[str, Any]) -> Iterator[str]:
    from seqvise.retrieval.image_index import index_damages

    return index_damages(path)


def _features(path: Path, content: Mapping[str, Any]) -> Iterator[str]:
    from seqvise.images.shards import shard_damages

    return shard_damages(path, content)


def _store(path: Path, content: Mapping[str, Any]) -> Iterator[str]:
    """Damages of a folder whose manifest has checksums of its files, under any key."""
    from seqvise.checksums import SEAL, DamagedError, damages, unsealed

    records = [value for value in content.values() if _are_records(value)]
    try:
        unsealed(content, MANIFEST, required=bool(records) or SEAL in content)
    except DamagedError as error:
        yield str(error)
    for value in records:
        yield from damages(path, value, whole=True)


def _are_records(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(record, dict) and "crc32" in record and "size" in record for record in value.values())
    )


def _labels(path: Path, names: Sequence[str]) -> Finding | None:
    """A table of labels in a cache. The table of a run is verified with the run."""
    from seqvise.checksums import CHECKSUMS, DamagedError, check_checksums

    if CHECKSUMS not in names or MANIFEST in names:
        return None
    try:
        check_checksums(path)
        messages = []
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        messages = [str(error) if isinstance(error, DamagedError) else f"{CHECKSUMS} cannot be read ({error})"]
    return Finding(path, "labels", tuple(messages), _KINDS[-1][-1])


def _networks(path: Path, names: Sequence[str]) -> Finding | None:
    """The networks in a cache, each named by its hash."""
    from seqvise.files import digest_file

    kept = [Path(name) for name in names if _HASH.fullmatch(Path(name).stem)]
    if path.name != NETWORKS or not kept:
        return None
    damaged = [name for name in kept if digest_file(path / name) != name.stem]
    messages = tuple(f"{name} is not as it was written" for name in sorted(damaged))
    return Finding(path, "networks", messages, "delete the file, and the next command makes it again.")


Check = Callable[[Path, Mapping[str, Any]], Iterator[str]]
_STORE_MARKS = ("identity", "source.vocabulary.tsv", "text.vocabulary.tsv")
_KINDS: tuple[tuple[str, tuple[str, ...], Check, str], ...] = (
    ("index", ("images.json", "binding"), _index, "delete the folder, and build it again with `seqvise index`."),
    ("features", ("network", "features-00000.json"), _features, "the next command computes damaged shards again."),
    ("token store", _STORE_MARKS, _store, "delete the folder; the next command builds it again."),
    (
        "word vectors",
        ("words.txt", "origin", "shape"),
        _store,
        "delete the folder; the next command builds it again.",
    ),
)
