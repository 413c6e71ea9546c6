"""``seqvise``: runs the command that the first argument names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version

from seqvise.cli.support.exit_codes import REFUSED

COMMANDS = {
    "train": "train a model: Hydra overrides, e.g. data=tatoeba model=attention",
    "prepare": "tokenize a corpus or extract image features, and print statistics: Hydra overrides",
    "find_lr": "run a learning-rate range test and plot the loss: Hydra overrides",
    "find_batch_size": "find the largest batch size that fits in CUDA memory: Hydra overrides",
    "baselines": "evaluate ridge regression, softmax and ConSE on images: Hydra overrides",
    "tune": "search hyperparameters: tune=lr_dropout tune.trials=20, and overrides of train",
    "average": "average several checkpoints of a run: run=DIR of=best|last",
    "translate": "translate lines of text: run=DIR input=FILE|- output=FILE|-",
    "generate": 'continue a prompt with a language model: run=DIR prompt="the film" temperature=0.8',
    "shortlist": "write likely target words of each source word: run=DIR output=FILE",
    "encoder": "save the encoder of a language model: run=DIR output=FOLDER",
    "classify": "predict a label for each line of text: run=DIR input=FILE|- output=FILE|-",
    "index": "build a search index of images: run=DIR images=FOLDER",
    "search": 'find images, classes or nouns: run=DIR query="sail boat"',
    "evaluate": "score translations, text or labels, or compare two runs: run=DIR source=FILE target=FILE",
    "export": "export a model to ONNX or torch.export: run=DIR output=FOLDER format=onnx|torch",
    "report": "summarize a sweep in a table, with figures: sweep=DIR output=FOLDER",
    "runs": "list, compare and prune runs: where=model=attention sort=val/bleu",
    "verify": "compare every byte of runs, stores, features and indexes with their checksums: PATH ...",
    "vectors": 'inspect word vectors: file=FILE words="cat dog" query="paris - france + rome"',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names, and returns its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help"):
        print(_help())
        return 0 if args else REFUSED
    if args[0] == "--version":
        print(f"seqvise {version('seqvise')}")
        return 0
    if args[0] not in COMMANDS:
        print(_unknown(args[0]), file=sys.stderr)
        return REFUSED
    command = import_module(f"seqvise.cli.{args[0]}").main
    return int(command(args[1:]))


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    return (
        f"usage: seqvise <command> [arguments]\n\ncommands:\n{commands}\n\n"
        "seqvise <command> --help lists the keys of a command; seqvise --version prints the version."
    )


def _unknown(command: str) -> str:
    near = get_close_matches(command, COMMANDS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"the commands are {', '.join(COMMANDS)}."
    return f"seqvise: '{command}' is not a command; {hint}"


if __name__ == "__main__":
    sys.exit(main())
