"""Writes an exported model: encoder and decoder step, vocabularies and tokenizers, a manifest and a README."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import seqvise
from seqvise.corpus.tokens.codec import TextCodec
from seqvise.corpus.tokens.tokenizers import PLAIN_FORMS, word_pattern
from seqvise.corpus.tokens.vocabulary import SPECIALS
from seqvise.errors import UserError
from seqvise.export.formats import FORMATS, Format, Program, refuse_old_torch
from seqvise.export.layers import exportable
from seqvise.export.parts import ExportPart, Shape, Sizes, make_parts, shapes, step_input_names, without_unused_weights
from seqvise.files import atomic_folder, write_text
from seqvise.inference.translator import load_seq2seq
from seqvise.runs.load import Run

README = """\
A translation model for programs without seqvise and its Python classes.

manifest.json   inputs and outputs of each file, in order, with their types and shapes; ids of the special tokens
encoder.*       encodes the source sentences, once
step.*          one decoder step: scores the next word of each hypothesis
source.*        vocabulary and tokenizer of the source side
target.*        vocabulary and tokenizer of the target side

In a shape, a number is a fixed size and a name is a variable size: `batch` sentences, `source` words of the longest
sentence, `rows` hypotheses, `said` words generated so far. ONNX files (`*.onnx`) have named inputs and outputs. A
`torch.export` package (`*.pt2`) takes keyword arguments and returns a tuple in the order of the manifest:

    encoder = torch.export.load("encoder.pt2").module()
    outputs = encoder(ids=ids, lengths=lengths)

translate.py translates one sentence per line, with onnxruntime (or torch) and numpy:

    python translate.py < input.txt > output.txt

A vocabulary is a tab-separated table with a header and one line per word. The id of a word is its line number after
the header, from 0. codec.json has the name of the tokenizer and its treatment of case. If `backwards` is true, the
words of that side are in reverse order.

Tokenisation (`SideText.tokenize` in translate.py):

1. If `normalise` is true, compose letters (Unicode NFC) and replace typographic characters by the plain forms in
   `tokenizer.plain` of the manifest. Replace white space by single spaces. Guillemets become straight quotes.
2. Convert to lower case if `case` is `lower`. With `marked` and `marked_all`, the words `t_up` and `t_maj` mark
   the capitals of the next word.
3. `words`: the words are the matches of the regular expression `tokenizer.pattern` of the manifest. Elided words keep
   their apostrophe, and French pronouns after the verb their hyphen: "qu'est-ce qu'il a-t-il dit ?" is
   `qu'` `est` `-ce` `qu'` `il` `a` `-t-il` `dit` `?`. `spaces`: split at spaces. `chars`: every character, spaces too.
   `spacy` and `sentencepiece` need the package of that name. source.sentencepiece.model is the model of SentencePiece.

Joining (`SideText.joined` in translate.py): the space between two words is left out if the column `joined_after` of the
second has the id of the first, and written if `spaced_after` has it. Otherwise it is left out if `joins_left` of the
second or `joins_right` of the first is 1. In a vocabulary with the column `joined_after`, these two flags do not count
for words of letters alone. Straight double quotes open and close in turn.

Greedy decoding:

1. Convert each source to ids that end with `<eos>`. Pad shorter ones at the end with `<pad>`; `lengths` includes
   `<eos>`, but not `<pad>`.
2. Run the encoder. Its outputs are `memory_*` and the initial `state_*`.
3. Run the step with `tokens` (at first `<bos>`) and those of `state_*` and `memory_*` that are among its inputs. The
   next word of a row is the argmax of `logits` without `<bos>` and `<pad>`. `attention`, if present, has the weights of
   the source words.
4. For the next step, use `next_state_*` as `state_*` and the new words as `tokens`. A row ends with `<eos>`.

Beam search: the rows of one sentence are adjacent, and all sentences have the same number of rows. To select
hypotheses, index the first axis of every `state_*`; to drop a sentence, also index the first axis of `memory_*`.
"""


MANIFEST = "manifest.json"
PROGRAM = Path(__file__).with_name("translate.py")
"""The program that is copied to the folder. It does not import seqvise."""
CHECKED_SIZES = (
    Sizes(sentences=1, source_length=1, hypotheses=1, steps=0),
    Sizes(sentences=3, source_length=9, hypotheses=4, steps=3),
)
"""Sizes other than those of the export, for which each file must return the same values as the model."""
TOLERANCE = 1e-3
"""Relative to the largest value of a tensor: attention with large scores magnifies rounding errors a hundredfold."""


def export_run(run: Run, output: Path, kind: str) -> list[Path]:
    """Writes a run's encoder and step, its vocabularies and tokenizers, a manifest and a README.

    Before the folder gets its final name, both files are run and compared with the model for numbers of sentences,
    words and hypotheses other than those of the export.

    Args:
        run: a run whose model has the step interface.
        output: the new folder.
        kind: a key of ``FORMATS``.

    Returns:
        the files, sorted by name.

    Raises:
        UserError: the run has no such model or no checkpoint, the model cannot be exported, or the files return other
            values than the model.
    """
    refuse_old_torch()
    model, file_format, vocab_size = load_seq2seq(run), FORMATS[kind], len(run.source.vocabulary)
    try:
        step_inputs = step_input_names(model, vocab_size)
    except TypeError as error:
        raise UserError(f"{run.path} cannot be exported: {error}.") from error
    with atomic_folder(output) as folder:
        content = _write_parts(exportable(model), step_inputs, vocab_size, file_format, folder)
        _check_files(model, step_inputs, vocab_size, file_format, folder)
        run.source.save(folder, "source")
        run.target.save(folder, "target")
        sides = {"source": _side(run.source), "target": _side(run.target)}
        tokenizer = {"pattern": word_pattern(run.source.language), "plain": PLAIN_FORMS}
        manifest = {"format": kind, **_origin(model), **sides, "tokenizer": tokenizer, **content}
        write_text(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        write_text(folder / "README.txt", README)
        write_text(folder / PROGRAM.name, PROGRAM.read_text(encoding="utf-8"))
    return sorted(output.iterdir())


def _write_parts(
    model: nn.Module, step_inputs: Sequence[str], vocab_size: int, file_format: Format, folder: Path
) -> dict[str, Any]:
    """Writes both files; returns the inputs and outputs of each for the manifest."""
    entries, part_shapes = {}, shapes(model, vocab_size, step_inputs)
    for part in make_parts(model, vocab_size, step_inputs=step_inputs):
        path = folder / f"{part.name}{file_format.suffix}"
        file_format.write(without_unused_weights(part), part_shapes[part.name], path)
        entries[part.name] = {"file": path.name, **_inputs_and_outputs(part, part_shapes[part.name])}
    return entries


@torch.no_grad()
def _inputs_and_outputs(part: ExportPart, shapes: dict[str, Shape]) -> dict[str, list[dict[str, Any]]]:
    def entry(name: str, value: Tensor) -> dict[str, Any]:
        return {"name": name, "type": str(value.dtype).removeprefix("torch."), "shape": shapes[name]}

    return {
        "inputs": [entry(name, value) for name, value in part.inputs.items()],
        "outputs": [entry(name, value) for name, value in part.run().items()],
    }


@torch.no_grad()
def _check_files(
    model: nn.Module, step_inputs: Sequence[str], vocab_size: int, file_format: Format, folder: Path
) -> None:
    programs: dict[str, Program] = {}
    for sizes in CHECKED_SIZES:
        for part in make_parts(model, vocab_size, sizes, step_inputs):
            if part.name not in programs:
                programs[part.name] = file_format.load(folder / f"{part.name}{file_format.suffix}")
            if difference := _difference(part, programs[part.name]):
                raise UserError(
                    f"The exported {part.name} {difference} for {sizes}: the model uses Python numbers that the export "
                    "fixed as constants. Take sizes from tensor.shape, and do not loop or branch on them."
                )


def _difference(part: ExportPart, run: Program) -> str:
    """A description of the difference between file and model; empty if they agree."""
    try:
        outputs = run(part.inputs)
    except Exception as error:  # each format has its own error classes
        return f"fails ({str(error).strip().splitlines()[-1]})"
    wrong = [name for (name, value), other in zip(part.run().items(), outputs, strict=True) if _differs(value, other)]
    return f"differs from the model in {', '.join(wrong)}" if wrong else ""


def _differs(value: Tensor, other: Tensor) -> bool:
    if value.shape != other.shape or not value.numel():
        return value.shape != other.shape
    value, other = value.float(), other.float()
    return not torch.allclose(value, other, rtol=0.0, atol=TOLERANCE * float(value.abs().max()))


def _origin(model: nn.Module) -> dict[str, Any]:
    return {
        "model": f"{type(model).__module__}.{type(model).__qualname__}",
        "seqvise": seqvise.__version__,
        "torch": torch.__version__,
        "specials": {name: index for index, name in enumerate(SPECIALS)},
    }


def _side(codec: TextCodec) -> dict[str, Any]:
    return {"language": codec.language, "words": len(codec.vocabulary), "backwards": codec.backwards}
