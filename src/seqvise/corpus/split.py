"""Which part of the corpus a pair belongs to."""

from __future__ import annotations

from hashlib import blake2b

from seqvise.corpus.normalise import fold
from seqvise.corpus.options import DataOptions

PARTS = ("train", "valid", "test")


def position(sentence: str, seed: int) -> float:
    """A number in [0, 1) that depends on nothing but the seed and the sentence, case and spaces aside.

    Pairs that share their target sentence share the number, so they fall on the same side of any split.
    """
    salt = seed.to_bytes(8, "little", signed=True)
    hashed = blake2b(fold(sentence).lower().encode(), digest_size=8, salt=salt).digest()
    return (int.from_bytes(hashed, "little") >> 11) / 2**53


def choose_part(target: str, data: DataOptions) -> str:
    """The part of a pair of the training input: ``train`` or ``valid``, with the phrasebook ``test`` too.

    ``data.valid_fraction`` of the distinct target sentences go to each part that is split off.
    """
    place = position(target, data.seed)
    if place < data.valid_fraction:
        return "valid"
    if data.format == "phrasebook" and place < 2 * data.valid_fraction:
        return "test"
    return "train"
