"""The folder that another program translates from: two files of numbers, the words of both sides, and what is what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import seqvise
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.vocabulary import SPECIALS
from seqvise.errors import UserError
from seqvise.export.formats import FORMATS, Format, Program, refuse_old_torch
from seqvise.export.layers import exportable
from seqvise.export.parts import ExportPart, Shape, Sizes, make_parts, read_by_step, shapes, with_read_weights
from seqvise.files import atomic_folder, write_text
from seqvise.inference.translator import load_seq2seq
from seqvise.runs.load import Run

README = """\
A translation model, for programs that have neither seqvise nor its Python classes.

manifest.json   the inputs and outputs of each file, in order, with their types and shapes; ids of the special words
encoder.*       reads source sentences, once
step.*          says the next word of each hypothesis
source.*        vocabulary and tokenizer of the source side; target.* of the target side

A number in a shape is fixed; a name stands for any number: `batch` sentences, `source` words of the longest of them,
`rows` hypotheses, `said` words said before. ONNX files (`*.onnx`) take and give tensors by name. A package of
`torch.export` (`*.pt2`) takes keywords and gives a tuple in the order of the manifest:

    encoder = torch.export.load("encoder.pt2").module()
    outputs = encoder(ids=ids, lengths=lengths)

A vocabulary is a table of tabs with a line a word, after a head line. A word's id is the number of its line, from 0.
codec.json names the tokenizer and how it treats case; both files are read by
seqvise.corpus.tokens.codec.TextCodec.load(folder, side). Where `backwards` is true, that side's words are in reverse
order.

Greedy decoding:

1. Make ids of each source, `<eos>` last. Fill shorter ones with `<pad>` at their end; `lengths` counts `<eos>`, not
   `<pad>`.
2. Run the encoder. Its outputs are the `memory_*` and the first `state_*`.
3. The first `tokens` are `<bos>`. Run the step with them, the state and the memory, as far
   as it takes them. The next word of a row has the
   largest of `logits`, `<bos>` and `<pad>` left out. `attention`, where given, says where the row looked.
4. `next_state_*` are the `state_*` of the next step, whose `tokens` are the words just said. A row ends with `<eos>`.

Beam search: the rows of one sentence stand side by side, and all sentences have equally many. Choosing hypotheses is
taking rows of every `state_*` along its first axis; leaving a sentence out is doing so with `memory_*`, too.
"""


MANIFEST = "manifest.json"
TRIED = (Sizes(sentences=1, words=1, hypotheses=1, said=0), Sizes(sentences=3, words=9, hypotheses=4, said=3))
"""Sizes unlike the exported ones, with which each file must give what the model gives."""
TOLERANCE = 1e-3
"""Of a tensor's largest number: attention with large scores makes a hundred times as much of a rounding error."""


def export_run(run: Run, output: Path, kind: str) -> list[Path]:
    """Writes a run's encoder and step, its vocabularies and tokenizers, a manifest and a README.

    Before the folder gets its name, both files are run and compared with the model, with other numbers of sentences,
    words and hypotheses than they were exported with.

    Args:
        run: of a model with the step interface.
        output: the new folder.
        kind: a key of ``FORMATS``.

    Returns:
        the files, by name.

    Raises:
        UserError: the run has no such model or no checkpoint; or the model cannot be written, or the files do not give
            what it gives.
    """
    refuse_old_torch()
    model, form, words = load_seq2seq(run), FORMATS[kind], len(run.source.vocabulary)
    try:
        read = read_by_step(model, words)
    except TypeError as error:
        raise UserError(f"{run.path} cannot be exported: {error}.") from error
    with atomic_folder(output) as folder:
        content = _write_parts(exportable(model), read, words, form, folder)
        _check(model, read, words, form, folder)
        run.source.save(folder, "source")
        run.target.save(folder, "target")
        sides = {"source": _side(run.source), "target": _side(run.target)}
        _write_json(folder / MANIFEST, {"format": kind, **_origin(model), **sides, **content})
        write_text(folder / "README.txt", README)
    return sorted(output.iterdir())


def _write_parts(model: nn.Module, read: Sequence[str], words: int, form: Format, folder: Path) -> dict[str, Any]:
    """Writes both files, and tells of each what it takes and gives."""
    told, found = {}, shapes(model, words, read)
    for part in make_parts(model, words, read=read):
        path = folder / f"{part.name}{form.ending}"
        form.write(with_read_weights(part), found[part.name], path)
        told[part.name] = {"file": path.name, **_told(part, found[part.name])}
    return told


@torch.no_grad()
def _told(part: ExportPart, found: dict[str, Shape]) -> dict[str, list[dict[str, Any]]]:
    def one(name: str, value: Tensor) -> dict[str, Any]:
        return {"name": name, "type": str(value.dtype).removeprefix("torch."), "shape": found[name]}

    return {
        "inputs": [one(name, value) for name, value in part.inputs.items()],
        "outputs": [one(name, value) for name, value in part.run().items()],
    }


@torch.no_grad()
def _check(model: nn.Module, read: Sequence[str], words: int, form: Format, folder: Path) -> None:
    programs: dict[str, Program] = {}
    for sizes in TRIED:
        for part in make_parts(model, words, sizes, read):
            if part.name not in programs:
                programs[part.name] = form.load(folder / f"{part.name}{form.ending}")
            if difference := _difference(part, programs[part.name]):
                raise UserError(
                    f"The exported {part.name} {difference} for {sizes}: the model computes with numbers that an "
                    "exported program does not follow. Take sizes from tensor.shape, and neither loop nor branch on "
                    "them."
                )


def _difference(part: ExportPart, run: Program) -> str:
    """What the file does otherwise than the model; nothing where they agree."""
    try:
        found = run(part.inputs)
    except Exception as error:  # each format has its own
        return f"fails ({str(error).strip().splitlines()[-1]})"
    wrong = [name for (name, value), other in zip(part.run().items(), found, strict=True) if _far(value, other)]
    return f"does not give the model's {', '.join(wrong)}" if wrong else ""


def _far(value: Tensor, other: Tensor) -> bool:
    if value.shape != other.shape:
        return True
    value, other = value.float(), other.float()
    near = torch.allclose(value, other, rtol=0.0, atol=TOLERANCE * float(value.abs().max())) if value.numel() else True
    return not near


def _origin(model: nn.Module) -> dict[str, Any]:
    return {
        "model": f"{type(model).__module__}.{type(model).__qualname__}",
        "seqvise": seqvise.__version__,
        "torch": torch.__version__,
        "specials": {name: index for index, name in enumerate(SPECIALS)},
    }


def _side(codec: TextCodec) -> dict[str, Any]:
    return {"language": codec.language, "words": len(codec.vocabulary), "backwards": codec.backwards}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
