"""The tables of the benchmarks, as shown in the terminal and in RESULTS.md."""

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
        caption: a sentence about the rows, formatted with the first row.
        columns: key of a row -> heading, and format specification of the values.
        words: headings of text columns; the other columns contain numbers.
        code: keys whose values are code.
    """

    caption: str
    columns: Columns
    words: tuple[str, ...] = ()
    code: tuple[str, ...] = ()

    def title(self, rows: Sequence[Row]) -> str:
        """The caption for these rows."""
        return self.caption.format(**rows[0])

    def shown(self, rows: Sequence[Row]) -> Columns:
        """The columns that these rows contain."""
        return {key: column for key, column in self.columns.items() if key in rows[0]}

    def heads(self, rows: Sequence[Row]) -> list[str]:
        """Headings of the columns that these rows contain."""
        return [head for head, _ in self.shown(rows).values()]

    def cells(self, rows: Sequence[Row]) -> list[list[str]]:
        """The formatted values."""
        columns = self.shown(rows)
        return [[format(row[key], text) for key, (_, text) in columns.items()] for row in rows]


SECTIONS: dict[str, Section] = {
    "start_up": Section(
        caption="Start-up time of commands.",
        columns={"command": ("command", "s"), "seconds": ("seconds", ".2f")},
        words=("command",),
        code=("command",),
    ),
    "training_step": Section(
        caption=(
            "One training step of the attention model at the sizes of fast.ai's lesson 11, and of its own "
            "loop over the same batches, in turn."
        ),
        columns={
            "forcing": ("teacher forcing", "g"),
            "seconds": ("seconds per step", ".3f"),
            "lesson_seconds": ("lesson's loop", ".3f"),
            "ratio": ("times faster", ".2f"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
            "lesson_tokens_per_second": ("lesson's tokens/s", ",.0f"),
            "share_of_products": ("share of products", ".0%"),
            "peak_mib": ("peak MiB", ",.0f"),
        },
    ),
    "models": Section(
        caption=(
            "One training step of each translation model at its defaults and fast.ai's vocabulary sizes, in batches "
            "of 125, in turn, each in its process. bf16 is the precision of the projection (`loss.precision`), "
            "bf16-mixed that of all products (`trainer.precision`)."
        ),
        columns={
            "model": ("model", "s"),
            "forcing": ("teacher forcing", "g"),
            "precision": ("precision", "s"),
            "seconds": ("seconds per step", ".3f"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
        },
        words=("model", "precision"),
    ),
    "training_peers": Section(
        caption=(
            "One teacher-forced training step of recurrent models of the same sizes (all widths 300, fast.ai's "
            "vocabulary sizes), in turn, each in its process, over the same batches. The other toolkits use input "
            "feeding. The last two columns are the ratios of the step time to that of each of our models."
        ),
        columns={
            "toolkit": ("toolkit", "s"),
            "seconds": ("seconds per step", ".3f"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
            "ratio_0": ("times lesson11/attention", ".2f"),
            "ratio_1": ("times ours with input feeding", ".2f"),
        },
        words=("toolkit",),
    ),
    "reading": Section(
        caption=(
            "Reading and filtering generated corpora: pairs per second on one core, and MiB of memory beyond the "
            "start; with repeats found among all pairs, and among recent pairs only."
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
        caption=(
            "Loading a generated parallel corpus in batches of 125 pairs: preparation on all cores, and batches of the "
            "data module alone, in an epoch after the first."
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
        caption=(
            "Feature extraction of {images:,} JPEG files including decoding and writing, and forward passes over "
            "images in memory: with torchvision's network, and with fused batch norm and channels last."
        ),
        columns={
            "backbone": ("network", "s"),
            "extraction_rate": ("images/s from disk", ".1f"),
            "forward_rate": ("forward pass alone", ".1f"),
            "forward_ratio": ("share of it", ".0%"),
            "fused_rate": ("fused forward pass", ".1f"),
            "fused_ratio": ("share of fused", ".0%"),
        },
        words=("network",),
    ),
    "search": Section(
        caption=(
            "Search among {vectors:,} clustered vectors of {dim} dimensions, ten results per query; the queries are "
            "not among the vectors."
        ),
        columns={
            "kind": ("index", "s"),
            "build_seconds": ("seconds to build", ",.1f"),
            "width": ("efSearch", "d"),
            "recall": ("recall@10", ".3f"),
            "batch_rate": ("queries/s batched", ",.0f"),
            "batch_ratio": ("times exact", ".1f"),
            "single_rate": ("queries/s single", ",.0f"),
            "single_ratio": ("times exact single", ".1f"),
            "memory_ratio": ("memory / vectors", ".2f"),
        },
        words=("index",),
    ),
    "decoding": Section(
        caption=(
            "Decoding {sentences:,.0f} sentences in batches, and some with batch size 1, both from ids to ids with the "
            "same weights and batches; ours in one process with all threads, like JoeyNMT, and in processes of one "
            "thread each, like `seqvise translate`."
        ),
        columns={
            "rows": ("sentences per batch", "d"),
            "beam": ("beam", "d"),
            "processes": ("processes", "d"),
            "weights": ("weights", "s"),
            "words": ("tokens per sentence", ".1f"),
            "sentences_per_second": ("sentences/s", ",.0f"),
            "joey_sentences_per_second": ("JoeyNMT's", ",.0f"),
            "ratio": ("times faster", ".2f"),
            "same": ("equal outputs", ".1%"),
        },
        words=("weights",),
    ),
    "language_model": Section(
        caption=(
            "One training step of the language model including all dropouts, penalties and clipping, and of the "
            "published recipe in plain current torch, in turn, each in its process, over the same windows. Without "
            "dropout both have the same loss before and after a step."
        ),
        columns={
            "size": ("size", "s"),
            "seconds": ("seconds per step", ".3f"),
            "plain_seconds": ("plain recipe", ".3f"),
            "ratio": ("times faster", ".2f"),
            "tokens_per_second": ("tokens/s", ",.0f"),
            "share_of_products": ("share of products", ".0%"),
            "second_loss": ("loss after a step", ".5f"),
            "plain_second_loss": ("plain recipe's", ".5f"),
        },
        words=("size",),
    ),
    "vocabulary": Section(
        caption=(
            "One training step for growing vocabularies, of the attention model at fast.ai's sizes and of a "
            "language model with two layers of width 400: full softmax, sampled softmax with 2,000 words "
            "(`loss.sampled`), and adaptive softmax with cutoffs at 2,000 and 10,000 (`model.adaptive`), in turn, each "
            "in its process, over the same batches."
        ),
        columns={
            "model": ("model", "s"),
            "words": ("vocabulary size", ",d"),
            "softmax": ("softmax", "s"),
            "seconds": ("seconds per step", ".3f"),
            "ratio": ("times faster than all", ".2f"),
        },
        words=("model", "softmax"),
    ),
    "scaling": Section(
        caption=(
            "One teacher-forced training step of the attention model at fast.ai's sizes, for growing batches and, "
            "in smaller batches, growing sentence lengths."
        ),
        columns={
            "rows": ("sentences per batch", "d"),
            "length": ("tokens per sentence", "d"),
            "seconds": ("seconds per step", ".3f"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
            "share_of_products": ("share of products", ".0%"),
            "peak_mib": ("peak MiB", ",.0f"),
        },
    ),
    "processes": Section(
        caption=(
            "The second epoch of train.py with the attention model at fast.ai's widths and teacher forcing: with a "
            "growing number of single-threaded processes, and with one process using all threads. Each process has "
            "batches of 125."
        ),
        columns={
            "processes": ("processes", "d"),
            "threads": ("threads each", "d"),
            "tokens_per_second": ("target tokens/s", ",.0f"),
            "ratio": ("times one thread", ".2f"),
        },
    ),
    "sweep": Section(
        caption="A sweep of {jobs} jobs, {at_a_time} at a time, compared with plain processes of train.py, in turn.",
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
        caption=(
            "A sweep of {jobs} jobs killed at random moments, every other time with its jobs, and resumed with "
            "resume=auto. A job is the same if its metrics and weights are bit-identical to those of the "
            "uninterrupted sweep."
        ),
        columns={
            "jobs": ("jobs", "d"),
            "kills": ("kills", "d"),
            "undisturbed_seconds": ("seconds uninterrupted", ".0f"),
            "killed_seconds": ("seconds with kills", ".0f"),
            "same": ("jobs the same", "d"),
        },
    ),
    "kills": Section(
        caption=(
            "Preparing a corpus and training a small model, killed at random moments and resumed; faults are files "
            "lost or incomplete after a kill."
        ),
        columns={
            "work": ("work", "s"),
            "kills": ("kills", "d"),
            "ends": ("finished", "d"),
            "faults": ("faults", "d"),
            "same": ("same as uninterrupted", "s"),
        },
        words=("work", "same as uninterrupted"),
    ),
}
"""Key of the rows in the file of ``python -m benchmarks --json`` -> section, in the order of measurement."""
