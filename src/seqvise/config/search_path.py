"""Where config files lie: the shipped tree, and a person's own ./conf."""

from __future__ import annotations

from pathlib import Path


def conf_folder() -> Path:
    """The shipped tree: inside the installed package, or beside ``src`` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"


def own_folder() -> Path | None:
    """A person's own tree, ./conf of the folder the command was started in."""
    folder = Path("conf").absolute()
    return folder if folder.is_dir() else None


def is_group(key: str) -> bool:
    """Whether an override with this key chooses a file."""
    name = key.lstrip("+~").partition("@")[0]
    return any((tree / name).is_dir() for tree in (conf_folder(), own_folder()) if tree is not None)


def choices(group: str) -> list[str]:
    """Every choice of a group in both trees, those of its subgroups (``lesson11/rnn``) included."""
    folders = [tree / group for tree in (conf_folder(), own_folder()) if tree is not None]
    found = {path.relative_to(folder).with_suffix("") for folder in folders for path in folder.rglob("*.yaml")}
    return sorted(map(Path.as_posix, found))
