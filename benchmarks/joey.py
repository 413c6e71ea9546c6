"""JoeyNMT 2.3 decodes as it is told on standard input, with the weights of one of our models.

    PYTHON benchmarks/joey.py FILE

Run by ``benchmarks.decoding`` with the Python of an environment that has JoeyNMT; it needs nothing of ours. FILE is of
``torch.save``: ``sizes``, ``weights`` under JoeyNMT's names, and ``batches`` of source ids and lengths, the longest
first. Each line of input is a beam; each line of output a JSON object, ``seconds`` and the ``tokens`` of each sentence.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

# JoeyNMT asks the older package of this name for its version; Python has had the same since 3.8.
sys.modules.setdefault("importlib_metadata", importlib.metadata)

BOS, PAD, EOS, UNK = range(4)
SPECIALS = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "sep_token": None}


def vocabulary(size: int) -> Any:
    """A vocabulary of so many words, with our ids for the specials."""
    from joeynmt.vocabulary import Vocabulary

    places = {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "lang_tags": []}
    made = Vocabulary([], SimpleNamespace(**SPECIALS, **places))
    # Word by word, it would look for each in a list.
    made._itos = [str(index) for index in range(size)]
    made.bos_index, made.pad_index, made.eos_index, made.unk_index = BOS, PAD, EOS, UNK
    return made


def build(sizes: dict[str, int], weights: dict[str, Tensor]) -> Any:
    """JoeyNMT's recurrent model of these sizes and weights, in evaluation mode.

    Its decoder begins with zeros. Two of its linear maps have no bias, of which ours has one: they are given one.
    """
    from joeynmt.model import build_model

    embeddings = {"embedding_dim": sizes["embedding"]}
    encoder = {"type": "recurrent", "rnn_type": "gru", "embeddings": embeddings, "bidirectional": True}
    decoder = {"type": "recurrent", "rnn_type": "gru", "embeddings": embeddings, "attention": "bahdanau"}
    hidden = {"encoder": sizes["encoder_hidden"], "decoder": sizes["decoder_hidden"]}
    config = {
        "encoder": {**encoder, "hidden_size": hidden["encoder"], "num_layers": sizes["encoder_layers"]},
        "decoder": {
            **decoder,
            "hidden_size": hidden["decoder"],
            "num_layers": sizes["decoder_layers"],
            "init_hidden": "zeros",
            "input_feeding": True,
        },
    }
    model = build_model(config, vocabulary(sizes["source_words"]), vocabulary(sizes["target_words"]))
    model.decoder.attention.query_layer = nn.Linear(hidden["decoder"], hidden["decoder"])
    model.decoder.output_layer = nn.Linear(hidden["decoder"], sizes["target_words"])
    model.load_state_dict(weights)
    return model.eval()


def decode(model: Any, batches: list[tuple[Tensor, Tensor]], beam: int) -> list[list[int]]:
    """The words of each sentence, ``EOS`` included."""
    from joeynmt.batch import Batch
    from joeynmt.search import search

    said: list[list[int]] = []
    for ids, lengths in batches:
        places = torch.arange(len(ids))
        batch = Batch(ids, lengths, None, None, None, places, torch.device("cpu"), PAD, EOS, is_train=False)
        most = int(lengths.max() * 3 // 2 + 10)
        found, _, _ = search(model, batch, most, beam, 1.0, n_best=1, min_output_length=1, generate_unk=True)
        said += [_until_end(row) for row in found.tolist()]
    return said


def _until_end(tokens: list[int]) -> list[int]:
    words = [token for token in tokens if token != PAD]
    return words[: words.index(EOS) + 1] if EOS in words else words


def main() -> None:
    """Answers until the input ends."""
    given = torch.load(Path(sys.argv[1]), weights_only=True)
    torch.set_num_threads(given["threads"])
    model = build(given["sizes"], given["weights"])
    for line in sys.stdin:
        start = time.perf_counter()
        said = decode(model, given["batches"], int(line))
        print(json.dumps({"seconds": time.perf_counter() - start, "tokens": said}), flush=True)


if __name__ == "__main__":
    main()
