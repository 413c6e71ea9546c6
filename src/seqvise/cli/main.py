"""``seqvise``: one door to every command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version

from seqvise.cli.support.exit_codes import REFUSED

COMMANDS = {
    "train": "train a model: Hydra overrides, as in data=tatoeba model=attention",
    "prepare": "turn a corpus into tokens, and show what was kept: Hydra overrides",
    "find_lr": "try learning rates and plot the loss of each: Hydra overrides",
    "find_batch_size": "find the largest batches that a CUDA device has memory for: Hydra overrides",
    "baselines": "measure ridge regression, softmax and ConSE on images: Hydra overrides",
    "tune": "search hyperparameters: tune=lr_dropout tune.trials=20, and the words of train",
    "average": "average the checkpoints that a run kept: run=DIR of=best|last",
    "translate": "translate lines: run=DIR input=FILE|- output=FILE|-",
    "shortlist": "write the target words that translate each source word: run=DIR output=FILE",
    "encoder": "keep the encoder of a language model alone: run=DIR output=FOLDER",
    "classify": "give lines of text their labels: run=DIR input=FILE|- output=FILE|-",
    "index": "make an index of images for search: run=DIR images=FOLDER",
    "search": 'find images, classes or nouns: run=DIR query="sail boat"',
    "evaluate": "score translations, or compare two runs: run=DIR source=FILE target=FILE",
    "export": "write a model for other programs: run=DIR output=FOLDER format=onnx|torch",
    "report": "one table of a sweep, with figures: sweep=DIR output=FOLDER",
    "runs": "list, compare and prune runs: where=model=attention sort=val/bleu",
    "verify": "compare every byte of runs, stores, features and indexes with their checksums: PATH ...",
    "vectors": 'look at word vectors: file=FILE words="cat dog" query="paris - france + rome"',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command named first and gives its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0 if words else REFUSED
    if words[0] == "--version":
        print(f"seqvise {version('seqvise')}")
        return 0
    if words[0] not in COMMANDS:
        print(_unknown(words[0]), file=sys.stderr)
        return REFUSED
    command = import_module(f"seqvise.cli.{words[0]}").main
    return int(command(words[1:]))


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {about}" for name, about in COMMANDS.items())
    return (
        f"usage: seqvise <command> [words]\n\ncommands:\n{commands}\n\n"
        "seqvise <command> --help tells more; --version prints the version."
    )


def _unknown(word: str) -> str:
    near = get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(COMMANDS)}."
    return f"seqvise: '{word}' is not a command; {hint}"


if __name__ == "__main__":
    sys.exit(main())
