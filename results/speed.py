"""Tables of what ``python -m benchmarks --json`` has measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results.provenance import commit_text
from results.record import read_object
from results.tables import counted, markdown
from seqvise.errors import UserError

STEP_COLUMNS = {
    "forcing": ("teacher forcing", "g"),
    "seconds": ("seconds a step", ".3f"),
    "lesson_seconds": ("lesson's loop", ".3f"),
    "ratio": ("times faster", ".2f"),
    "tokens_per_second": ("target tokens/s", ",.0f"),
    "lesson_tokens_per_second": ("lesson's tokens/s", ",.0f"),
    "share_of_products": ("share of products", ".0%"),
    "peak_mib": ("peak MiB", ",.0f"),
}
SEARCH_COLUMNS = {
    "kind": ("index", "s"),
    "build_seconds": ("seconds to build", ",.1f"),
    "width": ("efSearch", "d"),
    "recall": ("recall@10", ".3f"),
    "batch_rate": ("queries/s together", ",.0f"),
    "batch_ratio": ("times exact", ".1f"),
    "single_rate": ("queries/s one by one", ",.0f"),
    "single_ratio": ("times exact", ".1f"),
    "memory_ratio": ("memory / vectors", ".2f"),
}
FEATURE_COLUMNS = {
    "backbone": ("network", "s"),
    "extraction_rate": ("images/s from the disk", ".1f"),
    "forward_rate": ("forward pass alone", ".1f"),
    "forward_ratio": ("share of it", ".0%"),
    "fused_rate": ("fused forward pass", ".1f"),
    "fused_ratio": ("share of it", ".0%"),
}
DECODING_COLUMNS = {
    "beam": ("beam", "d"),
    "words": ("words a sentence", ".1f"),
    "sentences_per_second": ("sentences/s", ",.0f"),
    "joey_sentences_per_second": ("JoeyNMT's", ",.0f"),
    "ratio": ("times faster", ".2f"),
    "same": ("same words", ".1%"),
}


def speed_section(path: Path) -> str:
    """A benchmark's tables, with machine, date, commit and command.

    Raises:
        UserError: the file is not of ``python -m benchmarks --json``.
    """
    measured = read_object(path)
    try:
        parts = [
            f"### {path.stem}",
            _provenance(measured),
            _steps(measured["training_step"]),
            _starts(measured["start_up"]),
        ]
        if measured.get("features"):
            parts.append(_features(measured["features"]))
        if measured.get("search"):
            parts.append(_search(measured["search"]))
        if measured.get("decoding"):
            parts.append(_decoding(measured["decoding"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a file of `python -m benchmarks --json`: {error!r}.") from error
    return "\n\n".join(parts)


def _provenance(measured: Mapping[str, Any]) -> str:
    machine = measured["machine"]
    size = f"{counted(machine['cores'], 'core')}, {counted(machine['threads'], 'thread')}"
    versions = f"torch {machine['torch']}, Python {machine['python']}"
    commit = commit_text(measured["commit"], measured["dirty"])
    return (
        f"{machine['processor']}, {size}, {versions}, load {machine['load']} at the start. "
        f"{measured['date']}, {commit}: `{measured['command']}`"
    )


def _steps(rows: list[dict[str, float]]) -> str:
    heads = [head for head, _ in STEP_COLUMNS.values()]
    return markdown(heads, [[format(row[name], text) for name, (_, text) in STEP_COLUMNS.items()] for row in rows])


def _starts(rows: list[dict[str, Any]]) -> str:
    cells = [[f"`{row['command']}`", format(row["seconds"], ".2f")] for row in rows]
    return markdown(["command", "seconds"], cells, words=("command",))


def _features(rows: list[dict[str, Any]]) -> str:
    cells = [[format(row[name], text) for name, (_, text) in FEATURE_COLUMNS.items()] for row in rows]
    told = (
        f"Features of {rows[0]['images']:,} JPEG files, decoding and writing included, against forward passes over "
        "images that are ready in memory: torchvision's network as it is, and with batch norm fused and channels last."
    )
    return f"{told}\n\n{markdown([head for head, _ in FEATURE_COLUMNS.values()], cells, words=('network',))}"


def _search(rows: list[dict[str, Any]]) -> str:
    cells = [[format(row[name], text) for name, (_, text) in SEARCH_COLUMNS.items()] for row in rows]
    told = (
        f"Search among {rows[0]['vectors']:,} clustered vectors of {rows[0]['dim']} numbers, ten answers a query; the "
        "queries are not among the vectors."
    )
    return f"{told}\n\n{markdown([head for head, _ in SEARCH_COLUMNS.values()], cells, words=('index',))}"


def _decoding(rows: list[dict[str, float]]) -> str:
    columns = {name: column for name, column in DECODING_COLUMNS.items() if name in rows[0]}
    cells = [[format(row[name], text) for name, (_, text) in columns.items()] for row in rows]
    told = f"Decoding {rows[0]['sentences']:,.0f} sentences, both from ids to ids with the same weights and batches."
    return f"{told}\n\n{markdown([head for head, _ in columns.values()], cells)}"
