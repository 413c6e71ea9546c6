"""Folders of config files: the shipped ones, and the user's own ./conf."""

from __future__ import annotations

from pathlib import Path

BUILT_IN = {"hydra/launcher": {"basic"}, "hydra/sweeper": {"basic"}}
"""Choices of groups that have no file, since they belong to Hydra."""


def conf_folder() -> Path:
    """The shipped folder: inside the installed package, or next to ``src`` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"


def own_folder() -> Path | None:
    """The user's own folder: ./conf in the working directory."""
    folder = Path("conf").absolute()
    return folder if folder.is_dir() else None


def is_group(name: str) -> bool:
    """Whether a name in an override is a group, so that the override chooses a file."""
    return any((folder / name).is_dir() for folder in (conf_folder(), own_folder()) if folder is not None)


def choices(group: str) -> list[str]:
    """All choices of a group: those in both folders, including subfolders (``lesson11/rnn``), and Hydra's own."""
    folders = [folder / group for folder in (conf_folder(), own_folder()) if folder is not None]
    files = {path.relative_to(folder).with_suffix("") for folder in folders for path in folder.rglob("*.yaml")}
    return sorted({*map(Path.as_posix, files), *BUILT_IN.get(group, ())})
