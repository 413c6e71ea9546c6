"""The manifest of a folder of vectors, with checksums of its files."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqvise.checksums import SEAL, check_files, record_files, sealed, unsealed

log = logging.getLogger(__name__)
MANIFEST, CHECKSUMS_KEY = "manifest.json", "checksums"


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Writes the content beside all other files of the folder, with their checksums and its own."""
    whole = sealed({**content, CHECKSUMS_KEY: record_files(folder)})
    (folder / MANIFEST).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path, cached: bool = False) -> dict[str, Any]:
    """The content of a manifest whose files are as they were written: small ones whole, large ones in samples.

    Args:
        cached: whether a folder without checksums, as earlier revisions wrote it, is worth a line.

    Raises:
        DamagedError: a file is not as it was written.
        OSError, ValueError, TypeError, AttributeError: there is no manifest, or it cannot be read.
    """
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    plain = unsealed(content, MANIFEST, required=CHECKSUMS_KEY in content or SEAL in content)
    if CHECKSUMS_KEY in plain:
        check_files(folder, plain[CHECKSUMS_KEY])
    elif cached:
        log.info("%s is of an earlier revision, without checksums: damage to it is not noticed.", folder)
    return plain
