"""The names and phrases that the project does not use, and where they occur: ``python -m tests.style``.

A name says what the value is, in a word that a stranger would search for; docs and messages use the field's own terms.
Each entry says what to write instead. ``ALLOWED`` lists occurrences that are right, each with its reason.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

NAMES = {
    "said": "tokens, predictions, length",
    "told": "message, notes, signals",
    "_told": "_message, _notes",
    "found": "scores, nbest, matches, coverage: what was found",
    "one": "the thing's name",
    "each": "the thing's name",
    "given": "the thing's name",
    "how": "the thing's name",
    "own": "the thing's name",
    "looked": "coverage",
    "places": "free_slots, positions",
    "close": "near_tie",
    "most": "max_lengths, maximum",
    "_settle": "_advance_beams",
    "_put_away": "_store_finished",
    "_climb": "_run_layers",
    "heard": "received",
    "hear": "on_signal",
    "know": "notified",
    "LOOK": "POLL_SECONDS",
    "HELD": "LOCK_TIMEOUT_SECONDS",
    "SAID": "ERROR_PREFIX",
    "among": "with_shortlist",
    "rounded": "quantized",
    "problems": "validate() for options; messages, errors for lists of sentences",
    "words: int": "vocab_size",
    "Placed": "EmbeddedImages",
    "Tally": "FilterCounts",
    "Spool": "TokenSpool",
    "Intake": "CorpusIngest",
    "Joint": "ResidualNorm",
    "Mix": "InputFusion",
    "Word": "Identity",
    "OwnWords": "ScheduledSampling",
    "StepLookup": "StepEmbedding",
    "StepProduct": "StepLinear",
    "Fewer": "ShortlistModel",
}
"""Identifiers, and what to write instead."""

PHRASES = {
    r"\btold\b|\btells?\b": "logged, printed, reported, returns",
    r"\banew\b": "again",
    r"\bforetells?\b": "predicts",
    r"\bgo(es)? on\b|\bgone on\b|\bwent on\b": "continues, resumes",
    r"\b(come|comes|came) to (its|an|the) end\b": "has finished",
    r"\bbroken off\b|\bbreaks? off\b": "interrupted, stops",
    r"\ba person\b|\ba person's own\b": "the user, your own",
    r"\bis asked\b|\bare asked\b": "is called",
    r"\bworked out\b": "computed",
    r"\blooks? at\b": "attends to, reads, checks",
    r"\bsays? nothing\b|\bis said\b|\bare said\b": "is reported",
    r"\bmend(s|ed)?\b": "fix",
    r"\bwhereof\b|\bthereof\b|\bwherein\b|\btherein\b": "plain words",
    r"\bgives? the exit code\b": "returns the exit code",
    r"\bstands? (for|in|there|once|behind|before)\b": "is, occurs, is in",
    r"\blies? (in|there|beside|between|under)\b": "is in, is",
}
"""Regular expressions of phrases in docs, config comments, docstrings, comments and messages."""

WORDS_KEY = "words: int = 50_000  # images: the most frequent words that a run keeps, beside those of labels and nouns"
ALLOWED: dict[tuple[str, str], str] = {
    ("src/seqvise/corpus/parallel/journal.py", "def close(self) -> None:"): "closes files, as file objects do",
    ("src/seqvise/corpus/parallel/report.py", "words: int"): "a field of the manifests of stores",
    (
        "src/seqvise/vectors/options.py",
        "words: int = 50_000  # images: the most frequent words that a run keeps, beside those of labels and nouns",
    ): "a key of the config",
    ("src/seqvise/options.py", "def problems(self, key: str) -> Iterator[str]:"): "the former name of validate",
    ("src/seqvise/vectors/options.py", WORDS_KEY): "a config key, vectors.words",
    ("tests/test_options.py", "def problems(self, key: str) -> Iterator[str]:"): "a test of the former name",
    ("src/seqvise/evaluation/report.py", "words: int | None"): "a key of the JSON report: a number of words",
}
"""(path, line without its indentation) of an occurrence that is right -> the reason."""


class Finding(NamedTuple):
    """One occurrence."""

    path: str
    line: int
    name: str
    instead: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.name} -> {self.instead}: {self.text.strip()}"


def names_in(path: Path) -> Iterator[Finding]:
    """Each definition (variable, parameter, function, class) whose name is in ``NAMES``."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for name, line in _defined(ast.parse(text)):
        if name in NAMES:
            yield Finding(str(path.relative_to(ROOT)), line, name, NAMES[name], lines[line - 1])


def phrases_in(path: Path) -> Iterator[Finding]:
    """Each phrase of ``PHRASES`` in a file: of Python, in its comments and strings."""
    text = path.read_text(encoding="utf-8")
    for line, content in _prose(text) if path.suffix == ".py" else enumerate(text.splitlines(), 1):
        for pattern, instead in PHRASES.items():
            for match in re.finditer(pattern, content, re.IGNORECASE):
                yield Finding(str(path.relative_to(ROOT)), line, match[0], instead, content)


def repeated_classes(paths: list[Path]) -> Iterator[Finding]:
    """Each class of the package whose name an earlier file has defined, too."""
    first: dict[str, str] = {}
    for path in (path for path in paths if ROOT / "src" in path.parents):
        name_of_file, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                place = f"{name_of_file}:{node.lineno}"
                if first.setdefault(node.name, place) != place:
                    instead = f"a name of its own: {first[node.name]} has this one"
                    yield Finding(name_of_file, node.lineno, node.name, instead, text.splitlines()[node.lineno - 1])


def findings(paths: list[Path]) -> list[Finding]:
    """All findings that are not allowed, in files or folders. Rendered pages are left out: records keep their notes."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    files = [file for file in files if file.suffix in (".py", ".md", ".yaml") and "tests/data" not in str(file)]
    code = [file for file in files if file.suffix == ".py" and file != Path(__file__).resolve()]
    prose = [
        file
        for file in files
        if not {ROOT / "tests", ROOT / "docs" / "results"} & set(file.parents) and file.name != "CHANGELOG.md"
    ]
    found = [finding for file in code for finding in names_in(file)]
    found += [finding for file in prose for finding in phrases_in(file)]
    found += repeated_classes(code)
    return [finding for finding in found if (finding.path, finding.text.strip()) not in ALLOWED]


def _defined(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name, annotation=kind):
                yield (f"{name}: int" if name == "words" and _is_int(kind) else name), node.lineno
            case ast.AnnAssign(target=ast.Name(id="words"), annotation=kind) if _is_int(kind):
                yield "words: int", node.lineno
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno


def _is_int(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation) in ("int", "int | None")


def _prose(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            for number, line in enumerate(token.string.splitlines()):
                yield token.start[0] + number, line


if __name__ == "__main__":
    chosen = [Path(word).resolve() for word in sys.argv[1:]] or [
        ROOT / name for name in ("src", "conf", "docs", "tests")
    ]
    listed = findings(chosen)
    print("\n".join(map(str, listed)))
    sys.exit(bool(listed))
