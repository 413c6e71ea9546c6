"""The commands: each is a module of ``seqvise.cli`` with a function ``main``."""

from __future__ import annotations

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
    "completion": "complete commands, keys and choices in the shell: bash|zsh|fish",
    "vectors": 'inspect word vectors: file=FILE words="cat dog" query="paris - france + rome"',
}
