"""Checksums of the files of a run directory.

A checkpoint has its checksum in the comment of its zip archive, ``config.yaml`` in a comment line, ``status.json`` in a
key. Each file and its checksum are therefore replaced atomically and stay together when copied. The checksums of
``assets/`` are in ``assets/checksums.json``, those of the other files of a finished run in ``status.json``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seqvise.checksums import (
    CHECKSUMS,
    FILES,
    DamagedError,
    Records,
    check_archive,
    crc32,
    damages,
    record_files,
    sealed,
    unsealed,
)
from seqvise.errors import UserError
from seqvise.files import write_text

log = logging.getLogger(__name__)

ASSETS, CHECKPOINTS, CONFIG, STATUS = "assets", "checkpoints", "config.yaml", "status.json"
RESULTS = ("env.json", "metrics.json", "progress.jsonl", "samples.txt")
"""Files of a finished run with checksums in ``status.json``. Hydra rewrites ``.hydra`` at every start."""
REMEDY = "restore the file from a copy, or use another run."
EDITED = "If you did not edit it, restore it from a copy."
_CONFIG_MARK = "# CRC-32 of all other lines: "


def with_checksum(text: str) -> str:
    """Adds a comment line with the checksum to the text of a ``config.yaml``."""
    return f"{text}{_CONFIG_MARK}{crc32(text)}\n"


def _config_changed(folder: Path) -> bool:
    """Whether ``config.yaml`` differs from what seqvise wrote, or lacks its checksum."""
    lines = (folder / CONFIG).read_bytes().splitlines(keepends=True)
    mark = _CONFIG_MARK.encode()
    checksums = [line.removeprefix(mark).strip() for line in lines if line.startswith(mark)]
    if not checksums:
        return has_checksums(folder)
    return checksums != [crc32(b"".join(line for line in lines if not line.startswith(mark))).encode()]


def has_checksums(folder: Path) -> bool:
    """Whether the run, or its last start, is from a revision that writes checksums."""
    return (folder / ASSETS / CHECKSUMS).is_file()


def record_assets(assets: Path) -> None:
    """Writes ``checksums.json`` for all files of a run's ``assets/``."""
    names = [path.relative_to(assets).as_posix() for path in assets.rglob("*") if path.is_file()]
    records = record_files(assets, [name for name in names if name != CHECKSUMS])
    write_text(assets / CHECKSUMS, json.dumps(sealed({FILES: records}), indent=2) + "\n")


def asset_damages(folder: Path, whole: bool = False) -> Iterator[str]:
    """The start of a message for each damaged file of ``assets/``, without which a run cannot be used."""
    file = folder / ASSETS / CHECKSUMS
    if not file.is_file():
        return
    try:
        content = unsealed(json.loads(file.read_bytes()), CHECKSUMS, required=True)
    except (ValueError, AttributeError) as error:
        yield f"{file} is damaged ({error})"
        return
    for message in damages(folder / ASSETS, content[FILES], whole):
        yield f"{folder / ASSETS}/{message}"


def check_run(folder: Path) -> None:
    """Compares a run with its checksums.

    Config and results may have been edited by the user: a difference is only logged.

    Raises:
        UserError: a file of ``assets/``, on which all predictions depend, is damaged.
    """
    if messages := [f"{message}: {REMEDY}" for message in asset_damages(folder)]:
        raise UserError(*messages)
    if not has_checksums(folder):
        log.warning("%s is from an earlier revision without checksums: damage to it may not be detected.", folder)
    for message in run_changes(folder, read_object(folder / STATUS)):
        log.warning("%s", message)


def run_changes(folder: Path, status: Mapping[str, Any]) -> Iterator[str]:
    """A message for each of config, status and results that does not match its checksum. status: its content."""
    files: Records = {}
    try:
        files = unsealed(status, STATUS, required=bool(status) and has_checksums(folder)).get(FILES) or {}
    except DamagedError as error:  # whose records may be damaged as well
        yield f"{folder}/{error}. {EDITED}"
    if not status and has_checksums(folder):
        yield f"{folder / STATUS} is {'damaged' if (folder / STATUS).exists() else 'missing'}. {EDITED}"
    if (folder / CONFIG).is_file() and _config_changed(folder):
        yield f"{folder / CONFIG} does not match its checksum. {EDITED}"
    for message in damages(folder, files):
        yield f"{folder}/{message}. {EDITED}"


def run_damages(folder: Path) -> Iterator[str]:
    """A message without full stop for each damaged file of a run. Reads all bytes."""
    yield from asset_damages(folder, whole=True)
    for file in sorted((folder / CHECKPOINTS).glob("*.ckpt")):
        try:
            check_archive(file)
        except (OSError, DamagedError) as error:
            yield f"{file} is damaged ({error})"
    for message in run_changes(folder, read_object(folder / STATUS)):
        yield message.removesuffix(f". {EDITED}")


def record_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Checksums of the results of a finished run, for ``status.json``."""
    return record_files(folder, [name for name in RESULTS if (folder / name).is_file()])


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file, with its seal; empty if the file is missing or cannot be read."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
