"""What the documents say is what the code has."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import seqvise
from seqvise.cli.classify import ClassifyOptions
from seqvise.cli.evaluate import EvaluateOptions
from seqvise.cli.generate import GenerateOptions
from seqvise.cli.index import IndexOptions
from seqvise.cli.report import ReportOptions
from seqvise.cli.runs import RunsOptions
from seqvise.cli.search import SearchOptions
from seqvise.cli.support.commands import COMMANDS
from seqvise.cli.support.plain_command import keys_of
from seqvise.cli.translate import TranslateOptions
from seqvise.cli.vectors import VectorsOptions
from seqvise.config.options import Config
from seqvise.config.search_path import conf_folder
from seqvise.export.options import ExportOptions
from seqvise.tuning.options import TuneOptions

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / "examples").rglob("*") if path.suffix in (".py", ".yaml") and path.read_text())


def document(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def shipped() -> dict[str, set[str]]:
    """Every group with its choices, as ``experiment`` and ``lesson11/rnn``."""
    files = [path.relative_to(conf_folder()).with_suffix("").as_posix() for path in conf_folder().glob("*/**/*.yaml")]
    groups = {file.partition("/")[0] for file in files}
    return {group: {file.partition("/")[2] for file in files if file.startswith(f"{group}/")} for group in groups}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_the_worked_example_is_shown_as_it_is(file: Path) -> None:
    name = file.relative_to(ROOT / "examples").as_posix()
    shown = re.search(rf"^`{re.escape(name)}`:\n\n```\w+\n(.*?)^```$", document("extending.md"), re.S | re.M)
    assert shown is not None
    assert shown[1] == file.read_text(encoding="utf-8")


def test_every_group_and_choice_is_named_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .*\|$", document("configuration.md"), re.M)
    named = {group: set(re.findall(r"`([\w/]+)`", choices)) for group, choices in rows}
    assert named == shipped()


def test_the_default_choices_are_named() -> None:
    defaults = re.findall(r"^  - (\w+): (\w+)$", (conf_folder() / "train.yaml").read_text(), re.M)
    text = document("configuration.md")
    for group, choice in defaults:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{group}` |"))
        assert f"`{choice}` (the default)" in row or row.count("| `default`") == 1, group


def test_the_explaining_files_exist() -> None:
    named = set(re.findall(r"`(conf/[\w/]+\.yaml)`", document("configuration.md")))
    assert len(named) >= len(shipped()) - 1
    assert [name for name in named if not (conf_folder().parent / name).is_file()] == []


def test_every_top_level_key_is_named() -> None:
    text = document("configuration.md")
    assert [item.name for item in fields(Config) if f"`{item.name}`" not in text] == []


def test_every_command_and_every_key_of_translate_is_named() -> None:
    text = document("commands.md")
    assert [name for name in COMMANDS if f"seqvise {name} " not in text] == []
    assert [item.name for item in fields(TranslateOptions) if f"| `{item.name}=` |" not in text] == []


def test_every_key_of_evaluate_is_named_in_its_section() -> None:
    _, _, section = document("commands.md").partition("\n## Evaluating\n")
    assert re.findall(r"^\| `([\w.]+)=` \|", section.partition("\n## ")[0], re.M) == list(keys_of(EvaluateOptions))


@pytest.mark.parametrize(("title", "options"), [("Reporting a sweep", ReportOptions), ("Listing runs", RunsOptions)])
def test_every_key_of_report_and_runs_is_named_in_its_section(title: str, options: type[Any]) -> None:
    _, _, section = document("commands.md").partition(f"\n## {title}\n")
    assert re.findall(r"^\| `(\w+)=` \|", section.partition("\n## ")[0], re.M) == [
        item.name for item in fields(options)
    ]


def test_every_key_of_tune_is_named_in_its_section_and_explained_in_its_file() -> None:
    _, _, section = document("commands.md").partition("\n## Searching hyperparameters\n")
    keys = [item.name for item in fields(TuneOptions)]
    assert re.findall(r"^\| `tune\.(\w+)=` \|", section.partition("\n## ")[0], re.M) == keys
    assert (
        re.findall(r"^  (\w+):", (conf_folder() / "tune.yaml").read_text().partition("\ntune:\n")[2], re.M)[:-1] == keys
    )


def test_every_key_of_vectors_is_named_in_its_section() -> None:
    _, _, section = document("commands.md").partition("\n## Inspecting word vectors\n")
    assert re.findall(r"^\| `(\w+)=` \|", section.partition("\n## ")[0], re.M) == [
        item.name for item in fields(VectorsOptions)
    ]


def test_every_key_of_classify_is_named_in_its_section() -> None:
    _, _, section = document("commands.md").partition("\n## Language models and classifiers\n")
    table = section.partition("\nKeys of `generate`:")[0]
    assert re.findall(r"^\| `(\w+)=` \|", table, re.M) == [item.name for item in fields(ClassifyOptions)]


def test_every_public_name_is_named() -> None:
    _, _, section = document("commands.md").partition("\n## Python\n")
    assert [name for name in seqvise.__all__ if name != "__version__" and name not in section] == []


@pytest.mark.parametrize(
    ("command", "options"), [("generate", GenerateOptions), ("index", IndexOptions), ("search", SearchOptions)]
)
def test_every_key_of_generate_index_and_search_is_named_in_its_table(command: str, options: type[Any]) -> None:
    _, _, table = document("commands.md").partition(f"\nKeys of `{command}`:\n\n")
    assert re.findall(r"^\| `(\w+)=` \|", table.partition("\n\n")[0], re.M) == list(keys_of(options))


def test_every_key_of_export_is_named_in_its_section() -> None:
    _, _, section = document("commands.md").partition("\n## Exporting\n")
    assert re.findall(r"^\| `(\w+)=` \|", section.partition("\n## ")[0], re.M) == [
        item.name for item in fields(ExportOptions)
    ]


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda path: path.name
)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []
