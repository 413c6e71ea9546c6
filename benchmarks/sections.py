"""What is measured, and how its rows are shown: one table each, on the terminal and in RESULTS.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Columns = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """A table.

    Attributes:
        told: a sentence about the rows, formatted with the first of them.
        columns: key of a row -> its head, and the format of its values.
        words: heads of columns that hold words; the others hold numbers.
        code: keys whose values are code.
    """

    told: str
    columns: Columns
    words: tuple[str, ...] = ()
    code: tuple[str, ...] = ()

    def title(self, rows: Sequence[Row]) -> str:
        """The sentence about these rows."""
        return self.told.format(**rows[0])

    def shown(self, rows: Sequence[Row]) -> Columns:
        """The columns that these rows have."""
        return {key: column for key, column in self.columns.items() if key in rows[0]}

    def heads(self, rows: Sequence[Row]) -> list[str]:
        """Of the columns that these rows have."""
        return [head for head, _ in self.shown(rows).values()]

    def cells(self, rows: Sequence[Row]) -> list[list[str]]:
        """The values as they are shown."""
        columns = self.shown(rows)
        return [[format(row[key], text) for key, (_, text) in columns.items()] for row in rows]


SECTIONS: dict[str, Section] = {
    "start_up": Section(
        told="How long a command takes to answer.",
        columns={"command": ("command", "s"), "seconds": ("seconds", ".2f")},
        words=("command",),
        code=("command",),
    ),
    "training_step": Section(
        told=(
            "One training step of the attention model at the lesson's sizes, against the lesson's own loop over the "
            "same batches, in turn."
        ),
        columns={
            "forcing": ("teacher forcing", "g"),
            "seconds": ("seconds a step", ".3f"),
            "lesson_seconds": ("lesson's loop", ".3f"),
            "ratio": ("times faster", ".2f"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
            "lesson_tokens_per_second": ("lesson's tokens/s", ",.0f"),
            "share_of_products": ("share of products", ".0%"),
            "peak_mib": ("peak MiB", ",.0f"),
        },
    ),
    "models": Section(
        told=(
            "One training step of each translation model at its defaults and the lesson's vocabularies, in batches of "
            "125, in turn, each in its process. bf16 is the projection's (`loss.precision`), bf16-mixed that of all "
            "products (`trainer.precision`)."
        ),
        columns={
            "model": ("model", "s"),
            "forcing": ("teacher forcing", "g"),
            "precision": ("precision", "s"),
            "seconds": ("seconds a step", ".3f"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
        },
        words=("model", "precision"),
    ),
    "training_peers": Section(
        told=(
            "One forced training step of recurrent models of the same sizes (every width 300, the lesson's "
            "vocabularies), in turn, each in its process, over the same batches. The other toolkits feed their "
            "attention into the next step; the last two columns say how many times the step takes as long as each "
            "of ours."
        ),
        columns={
            "toolkit": ("toolkit", "s"),
            "seconds": ("seconds a step", ".3f"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
            "ratio_0": ("times lesson11/attention", ".2f"),
            "ratio_1": ("times ours with input feeding", ".2f"),
        },
        words=("toolkit",),
    ),
    "reading": Section(
        told=(
            "Reading and filtering generated corpora, in pairs a second of one core and MiB of memory beyond the "
            "start; with every pair remembered to find repeats, and with recent ones only."
        ),
        columns={
            "pairs": ("pairs", ",d"),
            "kept": ("kept", ",d"),
            "megabytes": ("MB of text", ",.0f"),
            "seconds": ("seconds", ",.2f"),
            "rate": ("pairs/s", ",.0f"),
            "peak_mib": ("peak MiB", ",.1f"),
            "recent_rate": ("pairs/s, recent repeats", ",.0f"),
            "recent_peak_mib": ("its peak MiB", ",.1f"),
        },
    ),
    "loading": Section(
        told=(
            "A parallel corpus of invented words from its files to batches of 125 pairs: prepared on all cores, and "
            "batches from the data module alone, over an epoch after the first."
        ),
        columns={
            "tokenizer": ("tokenizer", "s"),
            "workers": ("data.workers", "d"),
            "pairs_per_second": ("pairs prepared/s", ",.0f"),
            "batches_per_second": ("batches/s", ",.0f"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
        },
        words=("tokenizer",),
    ),
    "features": Section(
        told=(
            "Features of {images:,} JPEG files, decoding and writing included, against forward passes over "
            "images that are ready in memory: torchvision's network as it is, and with batch norm fused and channels "
            "last."
        ),
        columns={
            "backbone": ("network", "s"),
            "extraction_rate": ("images/s from the disk", ".1f"),
            "forward_rate": ("forward pass alone", ".1f"),
            "forward_ratio": ("share of it", ".0%"),
            "fused_rate": ("fused forward pass", ".1f"),
            "fused_ratio": ("share of that", ".0%"),
        },
        words=("network",),
    ),
    "search": Section(
        told=(
            "Search among {vectors:,} clustered vectors of {dim} numbers, ten answers a query; the queries are not "
            "among the vectors."
        ),
        columns={
            "kind": ("index", "s"),
            "build_seconds": ("seconds to build", ",.1f"),
            "width": ("efSearch", "d"),
            "recall": ("recall@10", ".3f"),
            "batch_rate": ("queries/s together", ",.0f"),
            "batch_ratio": ("times exact", ".1f"),
            "single_rate": ("queries/s one by one", ",.0f"),
            "single_ratio": ("times exact one by one", ".1f"),
            "memory_ratio": ("memory / vectors", ".2f"),
        },
        words=("index",),
    ),
    "decoding": Section(
        told=(
            "Decoding {sentences:,.0f} sentences in batches, and some of them one by one, both from ids to ids "
            "with the same weights and batches; ours in one process with all threads, as JoeyNMT's, and by processes "
            "of one thread each, as `seqvise translate` does."
        ),
        columns={
            "rows": ("sentences a batch", "d"),
            "beam": ("beam", "d"),
            "processes": ("processes", "d"),
            "weights": ("weights", "s"),
            "words": ("words a sentence", ".1f"),
            "sentences_per_second": ("sentences/s", ",.0f"),
            "joey_sentences_per_second": ("JoeyNMT's", ",.0f"),
            "ratio": ("times faster", ".2f"),
            "same": ("same words", ".1%"),
        },
        words=("weights",),
    ),
    "language_model": Section(
        told=(
            "One training step of the language model, all dropouts, penalties and clipping included, against the "
            "published recipe written plainly in today's torch, in turn, each in its process, over the same windows. "
            "Without dropout both have the same loss, before and behind a step."
        ),
        columns={
            "size": ("size", "s"),
            "seconds": ("seconds a step", ".3f"),
            "plain_seconds": ("plain recipe", ".3f"),
            "ratio": ("times faster", ".2f"),
            "tokens_per_second": ("tokens/s", ",.0f"),
            "share_of_products": ("share of products", ".0%"),
            "second_loss": ("loss behind a step", ".5f"),
            "plain_second_loss": ("plain recipe's", ".5f"),
        },
        words=("size",),
    ),
    "vocabulary": Section(
        told=(
            "One training step as the vocabulary grows, of the attention model at the lesson's sizes and of a language "
            "model of two layers of 400: a softmax over all words, over 2,000 that are drawn "
            "(`loss.sampled`), and cut into clusters at 2,000 and 10,000 (`model.adaptive`), in "
            "turn, each in its process, over the same batches."
        ),
        columns={
            "model": ("model", "s"),
            "words": ("words", ",d"),
            "softmax": ("softmax", "s"),
            "seconds": ("seconds a step", ".3f"),
            "ratio": ("times faster than all", ".2f"),
        },
        words=("model", "softmax"),
    ),
    "scaling": Section(
        told=(
            "One forced training step of the attention model at the lesson's sizes as the batch grows, and then, in "
            "smaller batches, the sentences."
        ),
        columns={
            "rows": ("sentences a batch", "d"),
            "length": ("words a sentence", "d"),
            "seconds": ("seconds a step", ".3f"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
            "share_of_products": ("share of products", ".0%"),
            "peak_mib": ("peak MiB", ",.0f"),
        },
    ),
    "processes": Section(
        told=(
            "Training of the attention model at the lesson's widths by train.py, in its second epoch, forced, as "
            "processes of one thread each are added, and with all threads in one. Each process has batches of 125."
        ),
        columns={
            "processes": ("processes", "d"),
            "threads": ("threads each", "d"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
            "ratio": ("times one thread", ".2f"),
        },
    ),
    "sweep": Section(
        told="A sweep of {jobs} jobs, {at_a_time} at a time, against as many plain processes of train.py, in turn.",
        columns={
            "jobs": ("jobs", "d"),
            "sweep_seconds": ("seconds of the sweep", ".1f"),
            "plain_seconds": ("plain processes", ".1f"),
            "ratio": ("ratio", ".3f"),
            "smallest_ratio": ("smallest", ".3f"),
            "largest_ratio": ("largest", ".3f"),
        },
    ),
    "killed_sweep": Section(
        told=(
            "A sweep of {jobs} jobs killed at random moments, every other time with its jobs, and started again with "
            "resume=auto. A job is the same that ends with the metrics and the weights of the undisturbed one, to the "
            "bit."
        ),
        columns={
            "jobs": ("jobs", "d"),
            "kills": ("kills", "d"),
            "undisturbed_seconds": ("seconds undisturbed", ".0f"),
            "killed_seconds": ("seconds with kills", ".0f"),
            "same": ("jobs the same", "d"),
        },
    ),
    "kills": Section(
        told=(
            "Preparing a corpus and training a small model, killed at random moments and started again; faults are "
            "files lost or not whole after a kill."
        ),
        columns={
            "work": ("work", "s"),
            "kills": ("kills", "d"),
            "ends": ("finished", "d"),
            "faults": ("faults", "d"),
            "same": ("same as undisturbed", "s"),
        },
        words=("work", "same as undisturbed"),
    ),
}
"""By the name under which ``python -m benchmarks --json`` writes its rows, in the order in which they are measured."""
