"""Search results in a terminal."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from rich.console import Console

from seqvise.retrieval.queries import Query
from seqvise.retrieval.render.page import show
from seqvise.retrieval.results import Answer, Hit


def test_file_names_and_labels_do_not_control_the_terminal() -> None:
    names = ["a\x1b]0;title\x07.png", "gnp.\u202eexe", "two\nlines", "[red]no markup[/red]", "\udcff.png"]
    hits = tuple(Hit(name, f"label {name}", 0.1, Path(name)) for name in names)
    query = Query("sail\x1b[2Jboat", np.ones(2, np.float32), notes=("seen \x1b",))
    output = io.StringIO()
    show([Answer(query, hits)], Console(file=output, width=300, highlight=False))
    shown = output.getvalue()
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown.splitlines()) == 2 + 1 + len(names)
    for name in (r"a\x1b]0;title\x07.png", r"gnp.\u202eexe", r"two\nlines", "[red]no markup[/red]", r"\udcff.png"):
        assert name in shown
