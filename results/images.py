"""Tables of image-to-word models: retrieval metrics of images, mean and deviation over draws of held-out labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev

from results.provenance import commit_text
from results.record import Record
from results.tables import NOTHING, device, markdown

HEAD = """\
# Images to words

Labels are ranked for images of the test split. *Seen* labels are used in training, *held-out* labels are not. hit@k is
the share of images whose label is among the first k candidates. hp@k is hierarchical precision (Frome et al. 2013).
mAP is the mean average precision of images retrieved by a label's word. Each number is the mean ± deviation over draws
of the held-out labels. The best value of a column except chance is bold. A star marks a held-out label that is a class
of ImageNet, or a hypernym of one, so the backbone has seen it. `{add}` adds a run or a folder of `seqvise baselines`.
"""
ROUNDS = {
    "seen": "Seen images among seen labels",
    "held_out": "Held-out images among held-out labels",
    "seen_among_all": "Seen images among all labels",
    "held_out_among_all": "Held-out images among all labels",
    "seen_among_nouns": "Seen images among every noun",
    "held_out_among_nouns": "Held-out images among every noun",
}
COLUMNS = {
    **{f"hit@{k}": f"hit@{k}" for k in (1, 2, 5, 10, 20)},
    **{f"hp@{k}": f"hp@{k}" for k in (2, 5, 10, 20)},
    "text_to_image_map": "mAP",
}
CHANCE, TEST, BASELINES = "chance", "test", ", baselines"
Draws = Mapping[str, Sequence[Record]]
Method = tuple[str, str]
"""The label of a run, and the prefix of its metrics."""


def is_of_images(record: Record) -> bool:
    """Whether a record is of an image-to-word model."""
    return any("/hit@" in name for name in record.metrics)


def image_section(dataset: str, records: Sequence[Record], remarks: Sequence[str] = ()) -> str:
    """The tables of a data set, one for each set of images and candidates, and the commands to reproduce them.

    remarks: paragraphs below the tables.
    """
    draws = _draws(records)
    tables = [f"### {title}\n\n{_table(draws, name)}" for name, title in ROUNDS.items() if _measured(draws, name)]
    return "\n\n".join([f"## {dataset}", *tables, *remarks, "\n".join(_commands(draws))])


def _draws(records: Sequence[Record]) -> Draws:
    draws: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.label, record.seed)):
        draws.setdefault(_label(record), []).append(record)
    return draws


def _label(record: Record) -> str:
    """The experiment and its overrides."""
    return record.label if record.command.startswith("python") else f"{record.label}{BASELINES}"


def _methods(draws: Draws, images: str) -> Iterator[Method]:
    for label, records in draws.items():
        prefixes = {
            name.partition("/")[0] for record in records for name in record.metrics if f"/{images}/hit@" in name
        }
        yield from ((label, prefix) for prefix in sorted(prefixes - {CHANCE, "val"}))


def _measured(draws: Draws, images: str) -> bool:
    return any(True for _ in _methods(draws, images))


def _table(draws: Draws, images: str) -> str:
    methods = list(_methods(draws, images))
    values = {
        method: {name: _values(draws[method[0]], method[1], images, name) for name in COLUMNS} for method in methods
    }
    columns = [name for name in COLUMNS if any(values[method][name] for method in methods)]
    best = {
        name: max((fmean(values[method][name]) for method in methods if values[method][name]), default=0.0)
        for name in columns
    }
    rows = [[CHANCE, "", *(_text(_chance(draws, images, name)) for name in columns)]]
    for method in methods:
        cells = [_marked(values[method][name], best[name]) for name in columns]
        rows.append([_name(method), str(len(draws[method[0]])), *cells])
    return markdown(["method", "draws", *(COLUMNS[name] for name in columns)], rows, left=("method",))


def _name(method: Method) -> str:
    label, prefix = method
    return label if prefix == TEST else f"{prefix.replace('_', ' ')} ({label.removesuffix(BASELINES)})"


def _values(records: Sequence[Record], prefix: str, images: str, name: str) -> list[float]:
    values = (record.number(f"{prefix}/{images}/{name}") for record in records)
    return [value for value in values if value is not None]


def _chance(draws: Draws, images: str, name: str) -> list[float]:
    """Chance values, once per draw, whichever run measured them."""
    by_seed: dict[int, float] = {}
    for records in draws.values():
        for record in records:
            for prefix in (CHANCE, f"{TEST}/{CHANCE}"):
                value = record.number(f"{prefix}/{images}/{name}")
                if value is not None:
                    by_seed.setdefault(record.seed, value)
    return list(by_seed.values())


def _text(values: Sequence[float]) -> str:
    if not values:
        return NOTHING
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{fmean(values):.3f}{spread}"


def _marked(values: Sequence[float], best: float) -> str:
    text = _text(values)
    return f"**{text}**" if values and f"{fmean(values):.3f}" == f"{best:.3f}" else text


def _commands(draws: Draws) -> Iterator[str]:
    every = [record for records in draws.values() for record in records]
    held_out = {record.seed: record.metrics["held_out"] for record in every if record.metrics.get("held_out")}
    yield from (f"- seed {seed} holds out {names}." for seed, names in sorted(held_out.items()))
    if any("*" in str(names) for names in held_out.values()):
        yield "- \\*: a class of ImageNet, or a hypernym of one."
    for label, records in draws.items():
        first, seeds = records[0], ", ".join(str(record.seed) for record in records)
        origin = f"seed {seeds}; {first.date}, {commit_text(first.commit, first.dirty)}, {device(first)}"
        yield from (f"- **{label}**: {origin}", "", "  ```", f"  {first.command}", "  ```")
        yield from (f"\n  {' '.join(record.note.split())}" for record in records if record.note)
