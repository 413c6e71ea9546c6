"""Text that a language model draws behind a beginning."""

from __future__ import annotations

import torch
from torch import Tensor

from seqvise.models.awd_lstm import AwdLstm
from seqvise.models.interface import BOS, EOS, PAD, UNK


@torch.no_grad()
def continuations(model: AwdLstm, prompts: Tensor, most: int, seed: int, temperature: float = 1.0) -> list[list[int]]:
    """Words drawn one after another from the model's distribution, up to the end of a document.

    ``<unk>`` is not drawn, nor what is no word. The draws depend on the seed alone.

    Args:
        model: in evaluation mode.
        prompts: (N, P) int64, the beginnings.
        most: words of a continuation at most.
        seed: of the draws.
        temperature: of the distribution; 0 takes the likeliest word.

    Returns:
        The words' ids of each continuation, ``EOS`` left out.
    """
    generator = torch.Generator().manual_seed(seed)
    read = model(prompts)
    said: list[Tensor] = []
    for _ in range(most):
        words = _draw(model.generator(read.outputs[:, -1]).float().cpu(), temperature, generator)
        said.append(words)
        read = model(words.to(prompts.device).unsqueeze(1), read.state)
    return [_until_end(ids) for ids in torch.stack(said, 1).tolist()]


def _draw(scores: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    scores[:, [BOS, PAD, UNK]] = float("-inf")
    if temperature == 0:
        return scores.argmax(1)
    return torch.multinomial(torch.softmax(scores / temperature, 1), 1, generator=generator).squeeze(1)


def _until_end(ids: list[int]) -> list[int]:
    return ids[: ids.index(EOS)] if EOS in ids else ids
