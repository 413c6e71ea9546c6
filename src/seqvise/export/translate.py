"""Translates lines of text with the model of this folder, without seqvise.

    python translate.py < input.txt > output.txt

Needs numpy, and onnxruntime for `*.onnx` files or torch for `*.pt2` files. It tokenises each line, decodes greedily and
joins the output words, as `seqvise translate` does. A model with tokenizer=spacy or sentencepiece also needs the
package `spacy` or `sentencepiece`.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

BOS, PAD, EOS, UNK = range(4)
UP, FIRST_UP = "t_up", "t_maj"
MAX_WORDS = 1000
INVISIBLE = "\u115f\u1160\u2800\u3164\uffa0"
Arrays = dict[str, Any]
Program = Callable[[Arrays], Arrays]


class SideText:
    """Tokenizer and vocabulary of one language.

    Args:
        folder: the exported folder.
        side: source or target.
        rules: the `tokenizer` entry of the manifest.
    """

    def __init__(self, folder: Path, side: str, rules: dict[str, Any]) -> None:
        codec = json.loads((folder / f"{side}.codec.json").read_text(encoding="utf-8"))
        self.language, self.options, self.backwards = codec["language"], codec["tokenizer"], codec["backwards"]
        self.pattern = re.compile(f"({rules['pattern']})( ?)")
        self.plain = {ord(sign): form for form, signs in rules["plain"].items() for sign in signs}
        header, *lines = (folder / f"{side}.vocabulary.tsv").read_bytes().decode().removesuffix("\n").split("\n")
        rows = [line.split("\t") for line in lines]
        self.words = [unescaped(row[0]) for row in rows]
        self.ids = {word: index for index, word in enumerate(self.words)}
        self.joins = [(row[2] == "1", row[3] == "1") for row in rows]
        self.pairs = {
            (int(first), second): column == 4
            for second, row in enumerate(rows)
            for column in (4, 5)
            for first in row[column:] and filter(None, row[column].split(","))
        }
        self.has_pairs = "joined_after" in header
        if self.options["name"] == "sentencepiece":
            self.pieces = imported("sentencepiece").SentencePieceProcessor(
                model_file=str(folder / f"{side}.sentencepiece.model")
            )

    def encode(self, text: str) -> list[int]:
        """The ids of a text, which end with EOS."""
        words = self.tokenize(text)
        ids = [self.ids.get(word, UNK) for word in (reversed(words) if self.backwards else words)]
        return [*ids[: MAX_WORDS - 1], EOS]

    def tokenize(self, text: str) -> list[str]:
        """The words of a text; none if it has no letter, number or sign."""
        text = self.normalised(text)
        if not any(unicodedata.category(sign)[0] in "LNPS" and sign not in INVISIBLE for sign in text):
            return []
        case = self.options["case"]
        if case == "lower":
            text = text.lower()
        if case not in ("marked", "marked_all"):
            return [word for word, _ in self.split(text)]
        words, start = [], 0
        for word, spaced in self.split(lower_aligned(text)):
            words += marked(word, text[start : start + len(word)], every=case == "marked_all")
            start += len(word) + spaced
        return words

    def normalised(self, text: str) -> str:
        """The text with single spaces, and with plain quotes and dashes if the tokenizer has `normalise`."""
        if self.options["normalise"] and not text.isascii():
            text = " ".join(unicodedata.normalize("NFC", text).translate(self.plain).split())
            for guillemet in ("« ", " »", "«", "»"):
                text = text.replace(guillemet, '"')
        return " ".join(text.split())

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """Each word, and whether a space follows it."""
        name = self.options["name"]
        if name == "words":
            yield from ((word, space == " ") for word, space in self.pattern.findall(text))
        elif name == "spaces":
            yield from ((word, True) for word in text.split())
        elif name == "chars":
            yield from ((sign, False) for sign in text)
        elif name == "spacy":
            document = imported("spacy").blank(self.language).tokenizer(text)
            yield from ((token.text, bool(token.whitespace_)) for token in document)
        else:
            yield from ((piece, False) for piece in self.pieces.id_to_piece(self.pieces.encode(text)))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids without special tokens."""
        words = [self.words[index] for index in (reversed(ids) if self.backwards else ids)]
        if self.options["name"] == "sentencepiece":
            return " ".join(self.pieces.decode(words).split()) if words else ""
        if " " in self.ids:
            return "".join(words)
        return self.joined(words)

    def joined(self, words: Sequence[str]) -> str:
        """Words as text, with the spaces of the training text; straight double quotes open and close in turn."""
        text = before = mark = ""
        quoted = opened = False
        for word in words:
            if word in (UP, FIRST_UP) and self.options["case"] in ("marked", "marked_all"):
                mark = word
                continue
            if word == '"':
                joined = quoted or (before not in ("", '"') and self.no_space(before, 1))
            elif before == '"':
                joined = opened or self.no_space(word, 0)
            else:
                joined = self.no_space_between(before, word)
            text += ("" if joined or not before else " ") + (restored(word, mark) if mark else word)
            opened = word == '"' and not quoted
            quoted ^= word == '"'
            before, mark = word, ""
        return text

    def no_space_between(self, before: str, after: str) -> bool:
        """Whether two words are joined: by the table of pairs, else by the two columns of the vocabulary."""
        pair = (self.ids.get(before, -1), self.ids.get(after, -1))
        known = self.pairs.get(pair)
        return self.no_space(after, 0) or self.no_space(before, 1) if known is None else known

    def no_space(self, word: str, side: int) -> bool:
        """Whether a word is written without a space before it (side 0) or after it (side 1)."""
        return self.joins[self.ids.get(word, UNK)][side] and not (self.has_pairs and word.isalpha())


class ExportedModel:
    """The model of an exported folder, with greedy decoding."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.source, self.target = (SideText(folder, side, manifest["tokenizer"]) for side in ("source", "target"))
        self.encoder, self.step = (program(folder, manifest, part) for part in ("encoder", "step"))

    def translate(self, text: str) -> str:
        """The translation of one sentence."""
        source = self.source.encode(text)
        if len(source) == 1:
            return ""
        tensors = self.encoder({"ids": np.array([source]), "lengths": np.array([len(source)])})
        output: list[int] = []
        for _ in range(len(source) + len(source) // 2 + 10):
            step = self.step({"tokens": np.array(output[-1:] or [BOS]), **tensors})
            step["logits"][:, [BOS, PAD]] = -np.inf
            output.append(int(step["logits"].argmax(1)[0]))
            if output[-1] == EOS:
                output.pop()
                break
            tensors |= {name.removeprefix("next_"): step[name] for name in step if name.startswith("next_")}
        return self.target.decode(output)


def program(folder: Path, manifest: dict[str, Any], part: str) -> Program:
    """A function that runs a file of the folder with arrays by name."""
    file = folder / manifest[part]["file"]
    inputs, outputs = ([item["name"] for item in manifest[part][key]] for key in ("inputs", "outputs"))
    if manifest["format"] == "onnx":
        session = imported("onnxruntime").InferenceSession(str(file), providers=["CPUExecutionProvider"])
        return lambda arrays: dict(
            zip(outputs, session.run(None, {name: arrays[name] for name in inputs}), strict=True)
        )
    torch = imported("torch")
    module = torch.export.load(file).module()

    def run(arrays: Arrays) -> Arrays:
        with torch.no_grad():
            results = module(**{name: torch.from_numpy(arrays[name]) for name in inputs})
        return {name: value.numpy() for name, value in zip(outputs, results, strict=True)}

    return run


def imported(package: str) -> Any:
    """A package that only some folders need."""
    try:
        return __import__(package)
    except ImportError:
        sys.exit(f"translate.py: this folder needs {package}: pip install {package}")


def unescaped(word: str) -> str:
    """A word of the vocabulary file without its escapes."""
    escapes = {r"\\": "\\", r"\t": "\t", r"\n": "\n", r"\r": "\r"}
    return re.sub(r"\\[\\tnr]", lambda match: escapes[match[0]], word)


def lower_aligned(text: str) -> str:
    """The text in lower case, with as many characters."""
    return "".join(sign.lower() if len(sign.lower()) == 1 else sign for sign in text)


def marked(word: str, original: str, every: bool) -> list[str]:
    """A word of the text in lower case, after a mark of its capitals."""
    if not every:
        return [UP, word] if len(word) > 2 and original.isupper() else [word]
    if word == original:
        return [word]
    return next(([mark, word] for mark in (FIRST_UP, UP) if restored(word, mark) == original), [original])


def restored(word: str, mark: str) -> str:
    """A word with the capitals of its mark."""
    return word.upper() if mark == UP else word[:1].upper() + word[1:]


def main() -> None:
    """Translates standard input, one sentence per line."""
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    translator = ExportedModel(Path(__file__).parent)
    for line in sys.stdin:
        print(translator.translate(line), flush=True)


if __name__ == "__main__":
    main()
