"""Takes training steps with OpenNMT-py 3.5, controlled by standard input.

    PYTHON benchmarks/opennmt.py FILE

Run as a ``benchmarks.peers.Peer`` with the Python of an environment that has OpenNMT-py; seqvise is not needed. FILE is
written by ``torch.save``: ``threads``, ``sizes``, and ``batches`` of source ids, lengths and target ids. Each input
line is the index of a batch; each output line is a JSON object with the ``seconds`` of a step and its ``loss`` per
token.
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
    """OpenNMT-py's recurrent model with additive attention, input feeding, and a softmax tied to the embeddings.

    The two directions of the encoder are together as wide as the decoder, whose first state requires it.
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
    target_embeddings = embeddings("target")
    decoder = InputFeedRNNDecoder("GRU", True, attn_type="mlp", embeddings=target_embeddings, **shape)
    model = NMTModel(encoder, decoder)
    model.generator = nn.Linear(width, sizes["target_words"])
    model.generator.weight = target_embeddings.word_lut.weight
    for weight in model.parameters():  # OpenNMT-py's param_init
        nn.init.uniform_(weight, -0.1, 0.1)
    return model


def trainer(sizes: dict[str, int], batches: list[tuple[Tensor, Tensor, Tensor]]) -> Callable[[int], dict[str, Any]]:
    """Returns a function that takes a step over the batch with an index, like OpenNMT-py's ``Trainer``."""
    from onmt.utils.loss import LossCompute

    model = build(sizes, 0.2).train()
    criterion = nn.CrossEntropyLoss(ignore_index=PAD, reduction="sum")
    losses = LossCompute(criterion, model.generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(index: int) -> dict[str, Any]:
        source, lengths, tokens = batches[index]
        target = torch.cat([torch.full((len(tokens), 1), BOS), tokens], 1).unsqueeze(2)
        optimizer.zero_grad(set_to_none=True)
        outputs, attention = model(source.unsqueeze(2), target, lengths)
        total, _ = losses({"tgt": target, "srclen": lengths}, outputs, attention)
        loss = total / int((tokens != PAD).sum())
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    return step


def main() -> None:
    """Takes steps until the input ends."""
    content = torch.load(Path(sys.argv[1]), weights_only=True)
    torch.set_num_threads(content["threads"])
    step = trainer(content["sizes"], content["batches"])
    for line in sys.stdin:
        start = time.perf_counter()
        result = step(int(line))
        print(json.dumps({"seconds": time.perf_counter() - start, **result}), flush=True)


if __name__ == "__main__":
    main()
