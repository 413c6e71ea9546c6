"""The built-in pictures as a folder like any other: ``train``, ``valid`` and ``test``, with a folder for each label."""

from __future__ import annotations

import json
from pathlib import Path

from seqvise.files import atomic_folder, digest, locked
from seqvise.images.synthetic.classes import CLASSES, PictureClass
from seqvise.images.synthetic.scene import draw_picture

FORMAT = 1
"""Changes with anything that changes a picture."""
EACH = {"train": 40, "valid": 10, "test": 10}
"""Pictures of a label, by part."""
COUNT = len(CLASSES) * sum(EACH.values())


def pictures_folder(cache: Path, seed: int) -> Path:
    """Where the pictures of a seed belong: ``cache/pictures/<hash>``."""
    return cache / "pictures" / digest(json.dumps([FORMAT, EACH, seed]))


def draw_set(cache: Path, seed: int) -> Path:
    """The folder of the pictures, drawn into it where it is not there yet."""
    folder = pictures_folder(cache, seed)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            with atomic_folder(folder) as temporary:
                for shown in CLASSES:
                    _draw_class(temporary, shown, seed)
    return folder


def _draw_class(root: Path, shown: PictureClass, seed: int) -> None:
    for part, count in EACH.items():
        folder = root / part / shown.name
        folder.mkdir(parents=True)
        for number in range(count):
            draw_picture(shown, f"{seed} {part} {number}").save(folder / f"{number:03}.png")
