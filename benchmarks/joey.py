"""Decodes or trains with JoeyNMT 2.3, controlled by standard input.

    PYTHON benchmarks/joey.py FILE

Run as a ``benchmarks.peers.Peer`` with the Python of an environment that has JoeyNMT; seqvise is not needed. FILE is
written by ``torch.save``: ``threads`` and ``sizes``; for decoding, the ``weights`` of one of our models under JoeyNMT's
names; and ``batches`` of source ids and lengths, for training also target ids, the longest source first.

Each output line is a JSON object. For decoding, an input line is a beam size, and the output has ``seconds`` and the
``tokens`` of each sentence. For training, an input line is the index of a batch, and the output has the ``seconds`` of
a step and its ``loss``.
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

# JoeyNMT imports the backport of this module, which is part of Python since 3.8.
sys.modules.setdefault("importlib_metadata", importlib.metadata)

BOS, PAD, EOS, UNK = range(4)
SPECIALS = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "sep_token": None}


def vocabulary(size: int) -> Any:
    """A vocabulary of this size, with our ids for the special tokens."""
    from joeynmt.vocabulary import Vocabulary

    token_ids = {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "lang_tags": []}
    joey_vocabulary = Vocabulary([], SimpleNamespace(**SPECIALS, **token_ids))
    # Adding tokens separately would search a list for each.
    joey_vocabulary._itos = [str(index) for index in range(size)]
    joey_vocabulary.bos_index, joey_vocabulary.pad_index, joey_vocabulary.eos_index, joey_vocabulary.unk_index = (
        BOS,
        PAD,
        EOS,
        UNK,
    )
    return joey_vocabulary


def build(sizes: dict[str, int], encoder: dict[str, Any], decoder: dict[str, Any], **config: Any) -> Any:
    """JoeyNMT's recurrent model with these sizes and further configuration."""
    from joeynmt.model import build_model

    shared = {"type": "recurrent", "rnn_type": "gru"}
    embeddings = {"embedding_dim": sizes["embedding"], "dropout": encoder.get("dropout", 0.0)}
    parts = {"encoder": encoder, "decoder": {"attention": "bahdanau", "input_feeding": True, **decoder}}
    shapes = {
        name: {"hidden_size": sizes[f"{name}_hidden"], "num_layers": sizes[f"{name}_layers"], **shared, **part}
        for name, part in parts.items()
    }
    model_config = {name: {**shape, "embeddings": embeddings} for name, shape in shapes.items()} | config
    return build_model(model_config, vocabulary(sizes["source_words"]), vocabulary(sizes["target_words"]))


def model_with(sizes: dict[str, int], weights: dict[str, Tensor]) -> Any:
    """The model with these weights, in evaluation mode.

    Its decoder starts with zeros. Two of its linear layers lack a bias that ours have, so they are replaced.
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
    """Returns a function that decodes the batches with a beam size."""
    model = model_with(sizes, weights)
    return lambda beam: {"tokens": decode(model, batches, beam)}


def decode(model: Any, batches: list[tuple[Tensor, Tensor]], beam: int) -> list[list[int]]:
    """Tokens of each sentence, including ``EOS``."""
    from joeynmt.batch import Batch
    from joeynmt.search import search

    tokens: list[list[int]] = []
    for ids, lengths in batches:
        indices = torch.arange(len(ids))
        batch = Batch(ids, lengths, None, None, None, indices, torch.device("cpu"), PAD, EOS, is_train=False)
        max_length = int(lengths.max() * 3 // 2 + 10)
        output, _, _ = search(model, batch, max_length, beam, 1.0, n_best=1, min_output_length=1, generate_unk=True)
        tokens += [_until_end(row) for row in output.tolist()]
    return tokens


def _until_end(row: list[int]) -> list[int]:
    tokens = [token for token in row if token != PAD]
    return tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens


def trainer(sizes: dict[str, int], batches: list[tuple[Tensor, Tensor, Tensor]]) -> Callable[[int], dict[str, Any]]:
    """Returns a function that takes a step over the batch with an index, like JoeyNMT's ``TrainManager``.

    The loss is per token. Embeddings and softmax are tied, and the decoder starts from the encoder's last state, as in
    our model.
    """
    from joeynmt.batch import Batch

    dropout = {"dropout": 0.2}
    decoder = {"init_hidden": "bridge", "hidden_dropout": 0.2, **dropout}
    model = build(sizes, {"bidirectional": True, **dropout}, decoder, tied_softmax=True).train()
    model.loss_function = ("crossentropy", 0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(index: int) -> dict[str, Any]:
        source, lengths, target = batches[index]
        shifted = torch.cat([torch.full((len(target), 1), BOS), target], 1)
        indices = torch.arange(len(target))
        batch = Batch(source, lengths, None, shifted, None, indices, torch.device("cpu"), PAD, EOS)
        batch.sort_by_src_length()
        total, *_ = model(return_type="loss", **vars(batch))
        loss = batch.normalize(total, normalization="tokens")
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return {"loss": loss.item()}

    return step


def main() -> None:
    """Decodes or trains until the input ends."""
    content = torch.load(Path(sys.argv[1]), weights_only=True)
    torch.set_num_threads(content["threads"])
    sizes, batches = content["sizes"], content["batches"]
    answer = decoder(sizes, content["weights"], batches) if "weights" in content else trainer(sizes, batches)
    for line in sys.stdin:
        start = time.perf_counter()
        result = answer(int(line))
        print(json.dumps({"seconds": time.perf_counter() - start, **result}), flush=True)


if __name__ == "__main__":
    main()
