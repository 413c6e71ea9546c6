"""Every imported package is a declared dependency."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
OWN = {"seqvise", "hydra_plugins"}


def project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return content


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def test_imported_packages_are_declared() -> None:
    content = project()
    groups = [content["dependencies"], *content["optional-dependencies"].values()]
    declared = {normalised(requirement) for requirements in groups for requirement in requirements}
    modules = {module for path in (ROOT / "src").rglob("*.py") for module in imported_modules(path)}
    packages = {"protobuf" if module.startswith("google.protobuf") else module.split(".")[0] for module in modules}
    distributions: dict[str, list[str]] = dict(packages_distributions())
    missing = {
        package
        for package in packages - OWN - set(sys.stdlib_module_names)
        if not declared & {normalised(name) for name in distributions.get(package, [package])}
    }
    # They are dependencies of the declared launchers.
    assert missing <= {"submitit", "joblib", "ray"}


def test_the_wheel_has_authors_and_classifiers() -> None:
    content = project()
    assert content["authors"]
    classifiers = content["classifiers"]
    first, last = (int(number) for number in re.findall(r"3\.(\d+)", content["requires-python"]))
    for minor in range(first, last):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers
