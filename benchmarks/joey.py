"""JoeyNMT 2.3 decodes or trains as it is told on standard input.

    PYTHON benchmarks/joey.py FILE

Run as a ``benchmarks.peers.Peer`` with the Python of an environment that has JoeyNMT; it needs nothing of ours. FILE is
of ``torch.save``: ``threads`` and ``sizes``; to decode, the ``weights`` of one of our models under JoeyNMT's names; and
``batches`` of source ids and lengths, to train also of target ids, the longest source first.

To decode, each line of input is a beam, and each line of output a JSON object, ``seconds`` and the ``tokens`` of each
sentence; to train, the place of a batch, and the ``seconds`` of a step and its ``loss``.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
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


def build(sizes: dict[str, int], encoder: dict[str, Any], decoder: dict[str, Any], **config: Any) -> Any:
    """JoeyNMT's recurrent model of these sizes, with more of its configuration."""
    from joeynmt.model import build_model

    both = {"type": "recurrent", "rnn_type": "gru"}
    both_embeddings = {"embedding_dim": sizes["embedding"], "dropout": encoder.get("dropout", 0.0)}
    parts = {"encoder": encoder, "decoder": {"attention": "bahdanau", "input_feeding": True, **decoder}}
    shapes = {
        name: {"hidden_size": sizes[f"{name}_hidden"], "num_layers": sizes[f"{name}_layers"], **both, **part}
        for name, part in parts.items()
    }
    whole = {name: {**shape, "embeddings": both_embeddings} for name, shape in shapes.items()} | config
    return build_model(whole, vocabulary(sizes["source_words"]), vocabulary(sizes["target_words"]))


def model_with(sizes: dict[str, int], weights: dict[str, Tensor]) -> Any:
    """The model with these weights, in evaluation mode.

    Its decoder begins with zeros. Two of its linear maps have no bias, of which ours has one: they are given one.
    """
    model = build(sizes, {"bidirectional": True}, {"init_hidden": "zeros"})
    hidden = sizes["decoder_hidden"]
    model.decoder.attention.query_layer = nn.Linear(hidden, hidden)
    model.decoder.output_layer = nn.Linear(hidden, sizes["target_words"])
    model.load_state_dict(weights)
    return model.eval()


def decoder(
    sizes: dict[str, int], weights: dict[str, Tensor], batches: list[tuple[Tensor, Tensor]]
) -> Callable[[int], dict[str, Any]]:
    """Decodes the batches with a beam."""
    model = model_with(sizes, weights)
    return lambda beam: {"tokens": decode(model, batches, beam)}


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


def trainer(sizes: dict[str, int], batches: list[tuple[Tensor, Tensor, Tensor]]) -> Callable[[int], dict[str, Any]]:
    """Takes a step over the batch of a place, as JoeyNMT's ``TrainManager`` does: a number for ``loss``, per word.

    Its embeddings and its softmax share their weight, and its decoder begins with the encoder's end, as in ours.
    """
    from joeynmt.batch import Batch

    dropout = {"dropout": 0.2}
    decoder = {"init_hidden": "bridge", "hidden_dropout": 0.2, **dropout}
    model = build(sizes, {"bidirectional": True, **dropout}, decoder, tied_softmax=True).train()
    model.loss_function = ("crossentropy", 0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(place: int) -> dict[str, Any]:
        source, lengths, target = batches[place]
        begun = torch.cat([torch.full((len(target), 1), BOS), target], 1)
        places = torch.arange(len(target))
        batch = Batch(source, lengths, None, begun, None, places, torch.device("cpu"), PAD, EOS)
        batch.sort_by_src_length()
        total, *_ = model(return_type="loss", **vars(batch))
        loss = batch.normalize(total, normalization="tokens")
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return {"loss": loss.item()}

    return step


def main() -> None:
    """Answers until the input ends."""
    given = torch.load(Path(sys.argv[1]), weights_only=True)
    torch.set_num_threads(given["threads"])
    sizes, batches = given["sizes"], given["batches"]
    answer = decoder(sizes, given["weights"], batches) if "weights" in given else trainer(sizes, batches)
    for line in sys.stdin:
        start = time.perf_counter()
        answered = answer(int(line))
        print(json.dumps({"seconds": time.perf_counter() - start, **answered}), flush=True)


if __name__ == "__main__":
    main()
