"""OpenNMT-py 3.5 takes training steps as it is told on standard input.

    PYTHON benchmarks/opennmt.py FILE

Run as a ``benchmarks.peers.Peer`` with the Python of an environment that has OpenNMT-py; it needs nothing of ours. FILE
is of ``torch.save``: ``threads``, ``sizes``, and ``batches`` of source ids, lengths and target ids. Each line of input
is the place of a batch, each line of output a JSON object: the ``seconds`` of a step and its ``loss``, per word.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

BOS, PAD = 2, 1


def build(sizes: dict[str, int], dropout: float) -> Any:
    """Its recurrent model with additive attention and input feeding, and a softmax that shares the embeddings' weight.

    The encoder's two directions are together as wide as the decoder, as its first state needs it.
    """
    from onmt.decoders.decoder import InputFeedRNNDecoder
    from onmt.encoders.rnn_encoder import RNNEncoder
    from onmt.models.model import NMTModel
    from onmt.modules import Embeddings

    def embeddings(side: str) -> Any:
        return Embeddings(sizes["embedding"], sizes[f"{side}_words"], PAD, dropout=dropout)

    width = sizes["decoder_hidden"]
    encoder = RNNEncoder("GRU", True, sizes["encoder_layers"], width, dropout, embeddings("source"))
    shape = {"num_layers": sizes["decoder_layers"], "hidden_size": width, "dropout": dropout}
    words = embeddings("target")
    decoder = InputFeedRNNDecoder("GRU", True, attn_type="mlp", embeddings=words, **shape)
    model = NMTModel(encoder, decoder)
    model.generator = nn.Linear(width, sizes["target_words"])
    model.generator.weight = words.word_lut.weight
    for weight in model.parameters():  # its param_init
        nn.init.uniform_(weight, -0.1, 0.1)
    return model


def trainer(sizes: dict[str, int], batches: list[tuple[Tensor, Tensor, Tensor]]) -> Callable[[int], dict[str, Any]]:
    """Takes a step over the batch of a place, as OpenNMT-py's ``Trainer`` does."""
    from onmt.utils.loss import LossCompute

    model = build(sizes, 0.2).train()
    criterion = nn.CrossEntropyLoss(ignore_index=PAD, reduction="sum")
    losses = LossCompute(criterion, model.generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(place: int) -> dict[str, Any]:
        source, lengths, words = batches[place]
        target = torch.cat([torch.full((len(words), 1), BOS), words], 1).unsqueeze(2)
        optimizer.zero_grad(set_to_none=True)
        outputs, attention = model(source.unsqueeze(2), target, lengths)
        total, _ = losses({"tgt": target, "srclen": lengths}, outputs, attention)
        loss = total / int((words != PAD).sum())
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    return step


def main() -> None:
    """Answers until the input ends."""
    given = torch.load(Path(sys.argv[1]), weights_only=True)
    torch.set_num_threads(given["threads"])
    step = trainer(given["sizes"], given["batches"])
    for line in sys.stdin:
        start = time.perf_counter()
        answered = step(int(line))
        print(json.dumps({"seconds": time.perf_counter() - start, **answered}), flush=True)


if __name__ == "__main__":
    main()
